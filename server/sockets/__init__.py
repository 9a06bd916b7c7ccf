"""The websockets: the lab, the rewards, the subject page, the operator page."""
