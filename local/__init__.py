"""The whole system on one machine: everything AWS would provide, as processes of one folder."""
