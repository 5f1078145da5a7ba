"""What passes a camera: gate, tracks, names, the frames worth a second look, and its row."""
