"""Who reaches the server behind JupyterLab: this machine only, with a token made anew each time."""

c = get_config()  # noqa: F821 - Jupyter runs this file with it

c.ServerApp.ip = "127.0.0.1"
c.ServerApp.allow_remote_access = False
c.ServerApp.allow_root = True  # as `make demo` allows it
c.ServerApp.open_browser = False
c.ServerApp.port_retries = 0
c.ServerApp.terminals_enabled = False
c.ServerApp.log_level = "WARN"  # the address, and what went wrong

# What a notebook shows may name other hosts (Panel links its style sheets on a CDN, whatever is
# asked of it): the browser is told to ask none.
c.ServerApp.tornado_settings = {
    "headers": {
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'",
                "connect-src 'self' data: blob: ws://127.0.0.1:* ws://localhost:*",
                "form-action 'self'",
                "frame-ancestors 'self'",
            ]
        )
    }
}

# Panel would serve apps beside the workbench's own pages, without their gate.
c.ServerApp.jpserver_extensions = {"panel.io.jupyter_server_extension": False}

# The kernel is the environment that runs this, whatever else is installed for the user.
c.KernelSpecManager.allowed_kernelspecs = {"python3"}
