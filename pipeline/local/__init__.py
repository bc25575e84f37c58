"""A runner of Beam pipelines in this process, without Beam's portable machinery."""
