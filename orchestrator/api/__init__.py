"""Python's way in: plan, run, results, lint, trust; async is derived from them."""
