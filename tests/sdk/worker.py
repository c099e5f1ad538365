"""A worker of the field: the published SDK with one skill that does what its parameters say."""

import asyncio

from avtomatika_worker import Worker

worker = Worker()
# The decorator has another name in early releases.
skill = getattr(worker, "skill", None) or worker.task


@skill("field")
async def field(params, task_id=None, job_id=None, send_progress=None, **_):
    how = params["how"]
    if how == "answer":
        return {"status": "success", "data": {"text": "x" * params.get("length", 1), "half": 1.5, "whole": 2.0}}
    if how == "word":
        return {"status": "unsure", "data": {"because": "it is dark"}}
    if how == "refuse":
        return {"status": "failure", "error": {"code": "INVALID_INPUT_ERROR", "message": "how: not like this"}}
    if how == "break":
        raise RuntimeError("broken on purpose")
    try:
        # For ever, as far as a test can see.
        while True:
            if how == "progress":
                # More than once: the early release drops what it is told before its WebSocket is open.
                await send_progress(task_id, job_id, 0.5, "half of it")
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        print("stopped", task_id, flush=True)
        raise


if __name__ == "__main__":
    worker.run()
