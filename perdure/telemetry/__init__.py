"""What a worker tells about itself: health, metrics and traces."""
