"""Jobs of recognition: cut, planned, sent to workers, followed, resumed."""
