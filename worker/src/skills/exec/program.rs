//! One run of a program: started in a group of its own, fed, listened to, and stopped when its task should stop.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    time::sleep,
};

use super::{
    group::{Group, Keeper},
    heard::{Answer, Heard, LONGEST_LINE, LONGEST_LOG, Tail},
    lines::each_line,
};
use crate::{cancel::StopReason, context::TaskContext, settings::Program, skills::SkillError};

/// How long output is waited for that something outside the program's group may still hold open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a program to its end. `order` is what it reads on its input, `variables` go with its environment.
pub(super) async fn run(
    program: &Program,
    keeper: &Keeper,
    order: Vec<u8>,
    variables: &[(&str, String)],
    context: &TaskContext,
) -> Result<Answer, SkillError> {
    let mut child = command(program, keeper, variables).spawn().map_err(|fault| not_started(&fault))?;
    let group = child.id().and_then(|id| Group::of(id, keeper.clone()));
    let group = group.ok_or_else(|| SkillError::Transient("the program ended before it began".to_owned()))?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut heard, mut tail) = (Heard::new(), Tail::new());
    let status = {
        let talk = async {
            tokio::join!(
                feed(input, order),
                each_line(output.expect("it was asked for"), LONGEST_LINE, |line| heard.hear(line, context)),
                each_line(errors.expect("it was asked for"), LONGEST_LOG, |line| tail.hear(line, context)),
            );
        };
        tokio::pin!(talk);
        let mut talked = false;
        let ended = wait(&mut child, &group, program, context);
        tokio::pin!(ended);
        let status = loop {
            tokio::select! {
                status = &mut ended => break status,
                () = &mut talk, if !talked => talked = true,
            }
        };
        // What the program started and left behind ends with it.
        group.kill();
        if !talked {
            let _ = tokio::time::timeout(LAST_WORDS, &mut talk).await;
        }
        status
    };
    heard.end(context);
    tail.end(context);
    if context.is_cancelled() {
        return Err(SkillError::Cancelled);
    }
    let status = status.map_err(|fault| SkillError::Transient(format!("the program's end cannot be seen: {fault}")))?;
    heard.answer(status, tail.text())
}

fn command(program: &Program, keeper: &Keeper, variables: &[(&str, String)]) -> Command {
    let mut introduction = keeper.introduction(&program.program).into_iter();
    let mut command = Command::new(introduction.next().expect("it names a program"));
    command.args(introduction).args(&program.arguments).current_dir(&program.folder);
    // The worker's own settings, its tokens among them, are none of the program's business.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("RELEVO_") && program.keep_env.iter().all(|kept| *kept != text) {
            command.env_remove(&name);
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, value))).envs(&program.env);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command
}

fn not_started(fault: &io::Error) -> SkillError {
    let message = format!("the program cannot be started: {fault}");
    match fault.kind() {
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => SkillError::ResourceExhausted(message),
        io::ErrorKind::ExecutableFileBusy => SkillError::Transient(message),
        _ => SkillError::Permanent(message),
    }
}

/// Writes the order. A program need not read it.
async fn feed(input: Option<ChildStdin>, order: Vec<u8>) {
    if let Some(mut input) = input {
        let _ = input.write_all(&order).await;
        let _ = input.shutdown().await;
    }
}

/// Waits for the end; asks for it when the task should stop, and brings it about when asking did not help.
async fn wait(child: &mut Child, group: &Group, program: &Program, context: &TaskContext) -> io::Result<ExitStatus> {
    let late = async {
        match program.timeout {
            Some(timeout) => sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        status = child.wait() => return status,
        () = context.cancelled() => {}
        () = late => context.stop(StopReason::Deadline),
    }
    group.terminate();
    if let Ok(status) = tokio::time::timeout(program.stop, child.wait()).await {
        return status;
    }
    group.kill();
    child.wait().await
}
