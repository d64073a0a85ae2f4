"""`python -m jointloop`."""

from jointloop.cli.entry import main

if __name__ == "__main__":
    main()
