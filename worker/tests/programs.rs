//! Programs as skills, run without an orchestrator: what they say, how they end, and what they may not do to the worker.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

#[expect(dead_code, reason = "other stories need more of it")]
mod orchestrator;
mod s3;

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use orchestrator::{Told, start};
use relevo_shared::{JobId, TaskId, job::LogLine, worker::Task};
use relevo_worker::{
    cancel::StopReason,
    context::TaskContext,
    settings::{Given, SettingsError, SkillSettings},
    skills::{Registry, RegistryError, SkillError, registry},
};
use s3::{S3, files};
use serde_json::{Value, json};
use tempfile::TempDir;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    given: Given,
}

/// A folder with a program `run.sh` and the settings that make it the skill `run`.
struct Bench {
    home: TempDir,
    s3: S3,
}

impl Bench {
    async fn new(script: &str) -> Self {
        Self::with(script, "").await
    }

    async fn with(script: &str, more: &str) -> Self {
        let bench = Self { home: tempfile::tempdir().unwrap(), s3: S3::start().await };
        fs::write(bench.home.path().join("run.sh"), script).unwrap();
        bench.set(&format!("[skills.run]\ncommand = ['sh', 'run.sh']\nstop_seconds = 1\n{more}"));
        bench
    }

    fn set(&self, settings: &str) {
        fs::write(self.home.path().join("worker.toml"), settings).unwrap();
    }

    fn settings(&self) -> Result<SkillSettings, SettingsError> {
        let line = Line::try_parse_from(["relevo-worker"]).unwrap();
        SkillSettings::load(Some(&self.home.path().join("worker.toml")), &line.given)
    }

    fn registry(&self) -> Registry {
        registry(&self.settings().unwrap()).unwrap()
    }

    fn task(params: &Value) -> Task {
        let job_id = JobId::fresh();
        let task = json!({
            "job_id": job_id, "task_id": TaskId { branch: job_id.into(), number: 1 }, "type": "run", "params": params,
            "files_prefix": format!("s3://data/jobs/{job_id}/"),
        });
        serde_json::from_value(task).unwrap()
    }

    async fn run(&self, params: &Value) -> Result<Value, SkillError> {
        let (task, registry) = (Self::task(params), self.registry());
        let work = tempfile::tempdir_in(self.home.path()).unwrap();
        let context = TaskContext::offline(&task, work.path(), Arc::new(files(self.s3.address, "secret")));
        registry.get(&task.skill).unwrap().run(&task, &context).await
    }

    fn put(&self, key: &str, content: &str) {
        let path = self.s3.root.path().join("data").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn object(&self, uri: &Value) -> PathBuf {
        self.s3.root.path().join(uri.as_str().unwrap().strip_prefix("s3://").unwrap())
    }
}

#[tokio::test]
async fn a_task_comes_in_as_json_and_a_result_goes_out() {
    let bench = Bench::new(r#"read -r task; printf '{"result": %s}\n' "$task""#).await;

    let result = bench.run(&json!({ "text": "a\nb \u{2028}", "seed": 7 })).await.unwrap();

    assert_eq!((&result["params"]["text"], &result["seed"]), (&json!("a\nb \u{2028}"), &json!(7)));
    assert_eq!((&result["skill"], &result["attempt"]), (&json!("run"), &json!(1)));
    assert!(result["input"].as_str().unwrap().ends_with("/input"), "{result}");
}

#[tokio::test]
async fn files_come_before_and_go_after() {
    let bench = Bench::with(
        r#"cat "$RELEVO_INPUT"/* >"$RELEVO_OUTPUT/all.txt"; read -r task; printf '{"result": {"task": %s}}\n' "$task""#,
        "inputs = ['text', 'more', 'none']",
    )
    .await;
    bench.put("x/a.txt", "one ");
    bench.put("y/a.txt", "two");

    let params = json!({ "text": "s3://data/x/a.txt", "more": ["s3://data/y/a.txt"], "other": "s3://data/none" });
    let result = bench.run(&params).await.unwrap();

    let brought = &result["task"]["files"];
    assert!(brought["text"].as_str().unwrap().ends_with("/input/a.txt"), "{brought}");
    assert!(brought["more"][0].as_str().unwrap().ends_with("/input/2-a.txt"), "{brought}");
    let all = fs::read_to_string(bench.object(&result["files"]["all.txt"])).unwrap();
    assert_eq!(all.len(), 7, "{all}");
}

#[tokio::test]
async fn an_input_that_is_not_there_is_named_and_one_of_the_job_is_awaited() {
    let bench = Bench::with("exit 1", "inputs = ['text']").await;

    let missing = bench.run(&json!({ "text": "s3://data/nothing" })).await.unwrap_err();
    let awaited = bench.run(&json!({ "text": "later.txt" })).await.unwrap_err();

    assert!(matches!(&missing, SkillError::InvalidInput { details, .. } if details[0].field == "text"), "{missing:?}");
    let result = json!({ "filename": "later.txt" });
    assert_eq!(awaited, SkillError::Outcome { word: "awaiting_file".to_owned(), result });
    for wrong in
        [json!("/etc/passwd"), json!("../x"), json!(3), json!(["a", 3]), json!("s3://data"), json!("https://x/y")]
    {
        let told = bench.run(&json!({ "text": wrong })).await.unwrap_err();
        assert_eq!(told.code(), "INVALID_INPUT", "{wrong}: {told:?}");
    }
}

#[tokio::test]
async fn the_end_of_a_program_decides_what_becomes_of_its_task() {
    for (script, code) in [
        ("exit 64", "INVALID_INPUT"),
        ("exit 65", "INVALID_INPUT"),
        ("exit 75", "TRANSIENT"),
        ("exit 137", "RESOURCE_EXHAUSTED"),
        ("exit 3", "PERMANENT"),
        ("kill -s SEGV $$", "TRANSIENT"),
        ("kill -s KILL $$", "RESOURCE_EXHAUSTED"),
        (r#"echo '{"error": {"code": "TRANSIENT", "message": "busy"}}'; exit 3"#, "TRANSIENT"),
        (r#"echo '{"error": {"code": "INVALID_INPUT", "message": "no"}}'; exit 0"#, "INVALID_INPUT"),
        (r#"echo '{"result": 1}'; exit 3"#, "PERMANENT"),
        (r#"echo '{"outcome": "review"}'"#, "OUTCOME"),
        (r#"echo '{"outcome": "failure"}'"#, "PERMANENT"),
        ("ln -s /etc/passwd \"$RELEVO_OUTPUT/x\"", "PERMANENT"),
        ("mkdir \"$RELEVO_OUTPUT/x\"", "PERMANENT"),
    ] {
        let error = Bench::new(script).await.run(&json!({})).await.unwrap_err();

        assert_eq!(error.code(), code, "{script}: {error:?}");
    }
}

#[tokio::test]
async fn a_failure_tells_the_last_words_on_standard_error() {
    let bench = Bench::new("echo 'Traceback' >&2; echo 'ValueError: no' >&2; exit 1").await;

    let error = bench.run(&json!({})).await.unwrap_err();

    assert_eq!(error.to_string(), "the program ended with exit code 1: Traceback | ValueError: no");
}

#[tokio::test]
async fn a_program_need_not_read_its_task_nor_say_anything() {
    let large = json!({ "text": "x".repeat(2 << 20) });

    assert_eq!(Bench::new("exec <&-; sleep 0.1").await.run(&large).await.unwrap(), json!({}));
    assert_eq!(Bench::new("exec <&- >&- 2>&-").await.run(&large).await.unwrap(), json!({}));
    assert_eq!(
        Bench::new(r#"echo '{"result": [1]}'; echo '{"result": [2]}'"#).await.run(&large).await.unwrap(),
        json!([2])
    );
}

#[tokio::test]
async fn output_without_a_line_feed_is_not_held_in_memory() {
    let before = peak_kib();
    let flood = Bench::new(r#"head -c 300000000 /dev/zero | tr '\0' x; echo; echo '{"result": "done"}'"#).await;

    assert_eq!(flood.run(&json!({})).await.unwrap(), json!("done"));

    let grown = peak_kib() - before;
    assert!(grown < 100 << 10, "{grown} KiB");
}

#[tokio::test]
async fn a_result_that_is_too_long_is_no_success() {
    let bench = Bench::new(r#"printf '{"result": "'; head -c 5000000 /dev/zero | tr '\0' x; echo '"}'"#).await;

    let error = bench.run(&json!({})).await.unwrap_err();

    assert!(matches!(&error, SkillError::Permanent(message) if message.contains("4 MiB")), "{error:?}");
}

#[tokio::test]
async fn what_holds_the_output_open_after_the_end_does_not_hold_the_task() {
    let bench = Bench::new(r#"setsid sleep 5 & echo '{"result": 1}'"#).await;
    let began = Instant::now();

    assert_eq!(bench.run(&json!({})).await.unwrap(), json!(1));

    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn children_that_a_program_leaves_behind_end_with_it() {
    let bench = Bench::new("sleep 600 >/dev/null 2>&1 & echo \"{\\\"result\\\": $!}\"").await;

    let child = bench.run(&json!({})).await.unwrap();

    gone(&child.to_string()).await;
}

#[tokio::test]
async fn a_program_that_does_not_stop_is_ended_with_its_children() {
    let bench =
        Bench::new("trap '' TERM; sleep 600 & echo $$ $! >\"$RELEVO_OUTPUT/../ids\"; while :; do wait; done").await;
    let (task, registry) = (Bench::task(&json!({})), bench.registry());
    let work = tempfile::tempdir().unwrap();
    let context = TaskContext::offline(&task, work.path(), Arc::new(files(bench.s3.address, "secret")));
    let ids = work.path().join("ids");
    let stop = async {
        while !fs::read_to_string(&ids).is_ok_and(|ids| ids.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        context.stop(StopReason::Cancelled);
    };

    let (ended, ()) = tokio::join!(registry.get(&task.skill).unwrap().run(&task, &context), stop);

    assert_eq!(ended, Err(SkillError::Cancelled));
    for id in fs::read_to_string(ids).unwrap().split_whitespace() {
        gone(id).await;
    }
}

/// Waits until a process is no more.
async fn gone(id: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = status.rsplit(')').next().unwrap_or_default().trim_start();
        if state.is_empty() || state.starts_with('Z') {
            return;
        }
        assert!(Instant::now() < deadline, "process {id} is still there: {status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn what_a_program_tells_reaches_the_orchestrator_and_a_flood_is_counted() {
    let bench = Bench::new(
        r#"echo '{"stage": "read"}'; echo '{"progress": 0.5, "message": "half"}'; echo 'WARNING: slow' >&2
           echo '{"metric": "loss", "value": 0.3, "step": 7}'
           yes hello | head -n 1000000; echo '{"stage": "read", "status": "completed"}'"#,
    )
    .await;
    let (orchestrator, _worker) = start(|| bench.registry(), &[]).await;

    let result = orchestrator.result_of(orchestrator.queue("run", &json!({}))).await;

    assert_eq!(result.status, "success", "{result:?}");
    let reports: Vec<_> = orchestrator
        .told()
        .into_iter()
        .filter_map(|told| if let Told::Progress(_, report) = told { Some(report) } else { None })
        .collect();
    assert!(reports.iter().any(|report| report.message.as_deref() == Some("half")));
    let figures: Vec<_> = reports.iter().flat_map(|report| &report.metrics).collect();
    assert_eq!(figures.iter().map(|it| (it.name.as_str(), it.step, it.value)).collect::<Vec<_>>(), [("loss", 7, 0.3)]);
    let lines: Vec<LogLine> = reports.into_iter().flat_map(|report| report.logs).collect();
    assert!(lines.iter().any(|line| line.message == "WARNING: slow"));
    let told = lines.iter().filter(|line| line.message == "hello").count();
    assert!(told < 5000, "{told} lines were told");
    assert!(lines.iter().any(|line| line.message.contains("lines were left out")), "{told} lines were told");
}

#[tokio::test]
async fn a_program_may_run_only_so_long() {
    let bench = Bench::with("sleep 600", "timeout_seconds = 1").await;
    let (orchestrator, _worker) = start(|| bench.registry(), &[]).await;

    let result = orchestrator.result_of(orchestrator.queue("run", &json!({}))).await;

    assert_eq!(result.error.unwrap().code, "TIMEOUT");
}

#[tokio::test]
async fn what_is_wrong_with_a_program_is_told_at_the_start() {
    let bench = Bench::new("").await;
    for (settings, told) in [
        ("[skills.a]\ncommand = ['no-such-program']", "skills.a.command"),
        ("[skills.a]\ncommand = ['./run.py']", "skills.a.command"),
        ("[skills.a]\ncommand = []", "skills.a.command"),
        ("[skills.a]\ncommand = ['sh']\nfolder = 'none'", "skills.a.folder"),
        ("[skills.a]\ncommand = ['sh']\nstop_seconds = 60", "skills.a.stop_seconds"),
        ("[skills.a]\ncommand = ['sh']\ntimeout_seconds = 0", "skills.a.timeout_seconds"),
        ("[skills.a]\ncommand = ['sh']\nenv = { 'A=B' = 'c' }", "skills.a.env"),
        ("[skills.\"a b\"]\ncommand = ['sh']", "skills.a b"),
        ("[skills.a]\ncomand = ['sh']", "comand"),
        ("[skills.a]\nfolder = '.'", "command"),
    ] {
        bench.set(settings);
        let fault = bench.settings().unwrap_err().to_string();
        assert!(fault.contains(told), "{settings}: {fault}");
    }
    bench.set("[skills.echo]\ncommand = ['sh']");
    let taken = registry(&bench.settings().unwrap()).unwrap_err();
    assert!(matches!(&taken, RegistryError::Taken(name) if name.as_str() == "echo"), "{taken}");
}
