"""Jobs that events start: `configurations` reads them, `orders` decides, `runner` has them run, `telling` says so."""
