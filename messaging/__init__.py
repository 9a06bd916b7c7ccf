"""Messages, the EEG record codec, the bus, clocks and the reconnecting websocket client."""
