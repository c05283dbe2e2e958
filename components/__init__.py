"""The lab's layers, one module each. Nothing is imported here, so `settings` and the engines load without Pulumi."""
