"""What all verbs share: the application they register with, and where they print."""

import tyro
from rich.console import Console

app = tyro.extras.SubcommandApp()
out = Console(highlight=False, soft_wrap=True)
