"""The Panel pages: live wall, tracing, review. Start them with :mod:`workbench.views.serve`."""
