"""Gets every tool, plugin and image of the lab onto this machine: `python -m supply tools|lab|env|status`.

The program never imports it; it finds tools on PATH and images by name. See README.md in this folder.
"""
