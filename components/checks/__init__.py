"""The self-test: packets between the lab's pods, and what their interfaces are, against what the config says.

The questions are asked from within the pods' network namespaces with the tools of the node (`self-test.sh`): so any
image will do, one without a shell too, nothing is installed in it, and no ephemeral container stays in the pod's spec.
Knows nothing of Pulumi.
"""
