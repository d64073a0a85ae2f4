# The trainer: PyTorch, no Blender. Any Python from 3.11 on would do.
FROM python:3.11-slim-bookworm
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY blender_scenes blender_scenes
COPY simulator simulator
COPY feedback feedback
COPY trainer trainer
COPY jointloop jointloop
COPY weights weights
# By default PyPI's build, which brings CUDA; for a CPU alone build with
#   --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=""
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} '.[train]'
WORKDIR /data
ENTRYPOINT ["jointloop"]
