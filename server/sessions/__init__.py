"""Sessions: protocols, the plan of trials, states, and the events that go to the ordered log."""
