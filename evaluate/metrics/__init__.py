"""What `--metric` names: one file or folder for each comparison of networks with brains."""
