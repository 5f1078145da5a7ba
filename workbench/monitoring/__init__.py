"""The running cameras: recorded, watched, explained. It looks at no footage and needs no case."""

from workbench.monitoring.facade import Monitoring, address_faults, open_monitoring
from workbench.monitoring.keeping import rebuild
from workbench.monitoring.status import CameraStatus

__all__ = ["CameraStatus", "Monitoring", "address_faults", "open_monitoring", "rebuild"]
