"""`python -m jointloop`."""

from jointloop.cli import main

if __name__ == "__main__":
    main()
