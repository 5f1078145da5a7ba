"""Investigation workbench for a ward's closed camera network: from camera to map."""
