"""The lab as its config says it: read once, checked whole, frozen. Knows nothing of Pulumi."""

from components.settings.faults import ConfigError, Fault
from components.settings.ipam import WorkerRange
from components.settings.lab import LabError, LabSettings, Source, WhereaboutsSettings, load
from components.settings.machine import EngineNetwork, MachineFacts, machine_faults, missing_features
from components.settings.networks import NetworkSettings
from components.settings.peers import PeerSettings
from components.settings.pods import AttachmentSettings, PodSettings

__all__ = [
    "AttachmentSettings",
    "ConfigError",
    "EngineNetwork",
    "Fault",
    "LabError",
    "LabSettings",
    "MachineFacts",
    "NetworkSettings",
    "PeerSettings",
    "PodSettings",
    "Source",
    "WhereaboutsSettings",
    "WorkerRange",
    "load",
    "machine_faults",
    "missing_features",
]
