"""The model files: manifest, intactness, self-tests, and what a worker loads once."""
