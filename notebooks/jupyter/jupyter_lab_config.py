"""What JupyterLab may not ask another host for; `labconfig` switches off the buttons for it.

`make notebooks` names this folder to Jupyter and copies it into the environment's `etc/jupyter`,
so that a `jupyter lab` started by hand is as quiet.
"""

c = get_config()  # noqa: F821 - Jupyter runs this file with it

# The server itself fetches these: a feed of news, PyPI's newest version, PyPI's extensions.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
