"""Faces: found for counting and blurring; compared only under an authority, in worker memory."""
