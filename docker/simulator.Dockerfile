# A simulator: headless Blender as a Python module, no PyTorch.
FROM python:3.11-slim-bookworm
# bpy links to these though it opens no window; `jointloop doctor` checks them.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libgl1 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY blender_scenes blender_scenes
COPY simulator simulator
COPY feedback feedback
COPY trainer trainer
COPY jointloop jointloop
COPY weights weights
RUN pip install --no-cache-dir '.[blender]'
ENTRYPOINT ["jointloop"]
