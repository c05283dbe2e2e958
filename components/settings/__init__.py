"""The lab as its config says it: read once, checked whole, frozen. Knows nothing of Pulumi."""

from components.settings.faults import ConfigError, Fault
from components.settings.lab import LabSettings, NetworkSettings, PodSettings, Source, load

__all__ = ["ConfigError", "Fault", "LabSettings", "NetworkSettings", "PodSettings", "Source", "load"]
