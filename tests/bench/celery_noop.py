"""Measures Celery with a no-op task: python3 celery_noop.py REDIS_URL JOBS SAMPLES prints jobs/s and latencies as JSON."""

import json
import os
import subprocess
import sys
import time

import redis
from celery import Celery, group

url = os.environ.get("BENCH_REDIS") or sys.argv[1]
app = Celery("celery_noop", broker=url + "/0", backend=url + "/1")
app.conf.update(task_serializer="json", result_serializer="json", accept_content=["json"], worker_hijack_root_logger=False)


@app.task(name="noop")
def noop(value):
    """Gives its input back."""
    return value


@app.task(name="received_at")
def received_at():
    """The clock's reading at the task's first line."""
    return time.time()


def throughput(jobs):
    """Jobs a second from the first submission to the last result; results are counted where they are kept, not fetched."""
    results = redis.Redis.from_url(url + "/1")
    results.flushdb()
    began = time.perf_counter()
    for _ in range(jobs):
        noop.delay({})
    while results.dbsize() < jobs:
        time.sleep(0.005)
    return jobs / (time.perf_counter() - began)


def latencies(samples):
    """Milliseconds from the submission to the task's first line, with the worker idle."""
    found = []
    for _ in range(samples):
        sent = time.time()
        found.append((received_at.delay().get(timeout=60) - sent) * 1000)
    return found


def main():
    """Starts a worker, measures, ends the worker."""
    jobs, samples = int(sys.argv[2]), int(sys.argv[3])
    command = [sys.executable, "-m", "celery", "-A", "celery_noop", "worker", "--pool=prefork", "--concurrency=2"]
    command += ["--loglevel=ERROR", "--without-gossip", "--without-mingle"]
    folder = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "BENCH_REDIS": url}
    worker = subprocess.Popen(command, cwd=folder, env=environment, stdout=sys.stderr, stderr=sys.stderr)
    try:
        group(noop.s({}) for _ in range(20))().get(timeout=60)
        print(json.dumps({"jobs_per_second": throughput(jobs), "latencies_ms": latencies(samples)}))
    finally:
        worker.terminate()
        worker.wait(timeout=30)


if __name__ == "__main__":
    main()
