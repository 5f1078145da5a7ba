"""The clock a camera burns into its pictures, and what it says of the stamps."""
