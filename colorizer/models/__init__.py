"""The networks, a file each; `BUILDERS` names them."""
