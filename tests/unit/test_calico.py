"""The Installation that Calico's operator gets."""

from components.calico import installation
from tests.lab_config import lab


def test_the_installation_is_on_the_labs_pod_subnet_and_the_nodes_own_addresses() -> None:
    assert installation(lab(podSubnet="10.99.0.0/16")) == {
        "apiVersion": "operator.tigera.io/v1",
        "kind": "Installation",
        "metadata": {"name": "default", "annotations": {"pulumi.com/waitFor": "condition=Ready"}},
        "spec": {
            "flexVolumePath": "None",
            "kubeletVolumePluginPath": "None",
            "calicoNetwork": {
                "bgp": "Disabled",
                "nodeAddressAutodetectionV4": {"kubernetes": "NodeInternalIP"},
                "ipPools": [
                    {
                        "name": "default-ipv4-ippool",
                        "blockSize": 26,
                        "cidr": "10.99.0.0/16",
                        "encapsulation": "VXLAN",
                        "natOutgoing": "Enabled",
                        "nodeSelector": "all()",
                    }
                ],
            },
        },
    }
