"""Runs the cases through moto's interpreter of the Amazon States Language, and prints what it does.

    pip install 'moto[stepfunctions]==5.2.5' jsonata-python==0.7.1 && python golden.py cases/*.json > golden/moto.json

The interpreter is called inside this process and reaches no network: a task hands back the outcomes that the case lists
for its state, and no wait takes time. moto leaves its JSONata to a Java program; here a Python one takes its place.
"""

import base64
import json
import logging
import sys
import threading

import jsonata
from moto.stepfunctions.parser.api import HistoryEventType, LambdaFunctionFailedEventDetails, StateMachineType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.evaluation_details import (
    AWSExecutionDetails,
    EvaluationDetails,
    ExecutionDetails,
    StateMachineDetails,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata import jsonata as queries
from moto.stepfunctions.parser.asl.parse.asl_parser import ASLParserException
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.backend.execution_worker import SyncExecutionWorker

logging.disable(logging.CRITICAL)


class Tasks:
    """The outcomes of a case's tasks, and what its tasks were given."""

    def __init__(self, outcomes):
        self.outcomes = {state: list(listed) for state, listed in outcomes.items()}
        self.params = []
        self.lock = threading.Lock()

    def run(self, env, parameters, **_):
        state = env.states.context_object.context_object_data["State"]["Name"]
        given = json.loads(parameters["Payload"])
        with self.lock:
            self.params.append(given)
            outcome = self.take(self.outcomes[state], given)
        if "echo" in outcome:
            env.stack.append({"Payload": given})
        elif "ok" in outcome:
            env.stack.append({"Payload": outcome["ok"]})
        else:
            raise FailureEventException(failure(env, outcome["error"], outcome.get("cause", "")))

    @staticmethod
    def take(listed, given):
        for at, outcome in enumerate(listed):
            if outcome.get("given", given) == given:
                return outcome if "echo" in outcome else listed.pop(at)
        raise RuntimeError(f"no outcome for {given}")


def failure(env, error, cause):
    known = next((typ for typ in StatesErrorNameType if typ.to_name() == error), None)
    return FailureEvent(
        env=env,
        error_name=StatesErrorName(known) if known else CustomErrorName(error),
        event_type=HistoryEventType.LambdaFunctionFailed,
        event_details=EventDetails(
            lambdaFunctionFailedEventDetails=LambdaFunctionFailedEventDetails(error=error, cause=cause)
        ),
    )


def evaluate(text):
    try:
        value = jsonata.Jsonata(text).evaluate(None)
    except Exception as error:
        raise queries.JSONataException("EVALUATION", str(error)) from error
    return json.loads(json.dumps(value))


def prepared(states):
    """The definition as moto wants it: tasks are functions, batches and tolerance belong to distributed maps."""
    if isinstance(states, list):
        return [prepared(item) for item in states]
    if not isinstance(states, dict):
        return states
    states = {key: value if key in ("Parameters", "Arguments", "Result", "Assign") else prepared(value) for key, value in states.items()}
    if states.get("Type") == "Task" and str(states.get("Resource")).startswith("skill:"):
        name = base64.b32encode(states["Resource"].encode()).decode().rstrip("=")
        states["Resource"] = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    if states.get("Type") == "Map" and any(key.startswith(("ItemBatcher", "Tolerated")) for key in states):
        states["ItemProcessor"]["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return states


def run(case):
    tasks = Tasks(case.get("tasks", {}))
    lambda_eval_utils.execute_lambda_function_integration = tasks.run
    # A definition that it could not read leaves something behind here.
    Preprocessor._query_language_per_scope = []
    done = threading.Event()
    worker = SyncExecutionWorker(
        EvaluationDetails(
            AWSExecutionDetails("123456789012", "us-east-1", "arn:aws:iam::123456789012:role/none"),
            ExecutionDetails("job-1", "job-1", "role", case["input"], "2026-01-02T03:04:05.678Z"),
            StateMachineDetails("machine-1", "golden", StateMachineType.STANDARD, json.dumps(prepared(case["definition"]), ensure_ascii=False)),
        ),
        type("Done", (), {"terminated": lambda self: done.set()})(),
        None,
        {},
    )
    try:
        worker._get_evaluation_entrypoint()
    except (ASLParserException, ValueError) as refused:
        return {"lacks": f"it cannot read the definition: {refused}"[:120]}
    thread = threading.Thread(target=worker.start, daemon=True)
    thread.start()
    thread.join(timeout=20)
    if thread.is_alive():
        return {"lacks": "it does not come to an end"}
    events = worker.env.event_manager.get_event_history()
    entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
    last = events[-1]
    result = {"entered": entered, "params": tasks.params}
    if last["type"] == "ExecutionSucceeded":
        return {**result, "output": json.loads(last["executionSucceededEventDetails"]["output"])}
    if last["type"] == "ExecutionFailed":
        return {**result, "error": last["executionFailedEventDetails"].get("error")}
    return {"lacks": f"it breaks down after {last['type']}"}


def main():
    WaitFunction._wait_interval = lambda self, env, wait_seconds: None
    retrier_decl.time = type("NoTime", (), {"sleep": staticmethod(lambda seconds: None)})
    queries._eval_jsonata = evaluate
    golden = {}
    for path in sys.argv[1:]:
        for case in json.load(open(path)):
            golden[case["name"]] = run(case)
    print("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(run)}" for name, run in golden.items()) + "\n}")


main()
