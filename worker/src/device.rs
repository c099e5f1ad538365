//! Owns libtorch: checks its version, opens CUDA where there is one, and runs all tensor work on one thread.
//!
//! No tensor leaves that thread: work goes in by channel, answers come back.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::Kind;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::{shelf::Shelf, skills::SkillError};

/// The libtorch that `tch` was made for. Other pairs start and then give wrong answers.
const LIBTORCH: [u8; 3] = [2, 11, 0];

/// What the device needs to know at start-up.
#[derive(Debug, Clone)]
pub struct DeviceSettings {
    /// Folder with the libraries of a PyTorch that can do CUDA (`RELEVO_TORCH_CUDA`); without it the CPU is used.
    pub torch_cuda: Option<PathBuf>,
    /// Memory that loaded models may take, in bytes. One model is kept even when it is larger.
    pub model_bytes: u64,
}

/// libtorch cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Another libtorch was loaded than the one that this program was built for.
    #[error(
        "the libtorch that was loaded is {found}, but this program needs {}: let LD_LIBRARY_PATH name the `lib` folder of PyTorch {}, or leave it unset",
        version(LIBTORCH),
        version(LIBTORCH)
    )]
    WrongVersion {
        /// What was loaded.
        found: String,
    },
    /// The thread could not be started.
    #[error("the device thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What work on the device can reach.
#[derive(Debug)]
pub struct Desk {
    /// Where tensors live.
    pub device: tch::Device,
    /// The loaded models.
    pub models: Shelf,
}

type Work = Box<dyn FnOnce(&mut Desk) + Send>;

/// The device, for asking. Cloning is cheap; the thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Device {
    work: mpsc::Sender<Work>,
    device: tch::Device,
    warm: Arc<Mutex<Vec<String>>>,
}

impl Device {
    /// Checks libtorch, picks CUDA or the CPU, and starts the thread. Call it before anything else uses libtorch.
    ///
    /// # Errors
    /// When the libtorch that was loaded has another version, or the thread cannot be started.
    pub fn start(settings: &DeviceSettings) -> Result<Self, DeviceError> {
        let found = loaded_version();
        if found != Some(LIBTORCH) {
            return Err(DeviceError::WrongVersion {
                found: found.map_or_else(|| "of an unknown version".to_owned(), version),
            });
        }
        let device = pick(settings.torch_cuda.as_deref());
        let warm = Arc::<Mutex<Vec<String>>>::default();
        let (sender, receiver) = mpsc::channel::<Work>();
        let (budget, names) = (settings.model_bytes, Arc::clone(&warm));
        std::thread::Builder::new().name("torch".to_owned()).spawn(move || {
            let mut desk = Desk { device, models: Shelf::new(budget, names) };
            let _no_grad = tch::no_grad_guard();
            for work in receiver {
                work(&mut desk);
            }
        })?;
        Ok(Self { work: sender, device, warm })
    }

    /// Runs one piece of work on the device's thread and waits for its answer. Keep pieces short, a batch at most: the
    /// thread serves all tasks in turn.
    ///
    /// # Errors
    /// `Permanent` when the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> T + Send + 'static,
    ) -> Result<T, SkillError> {
        let gone = || SkillError::Permanent("the work on the device ended without an answer".to_owned());
        let (answer, waiting) = oneshot::channel();
        let work: Work = Box::new(move |desk| {
            // A fault in one task must not take the device from the others. `answer` is dropped on a panic, which tells the caller.
            let _ = catch_unwind(AssertUnwindSafe(move || answer.send(work(desk)).is_ok()));
        });
        self.work.send(work).map_err(|_| gone())?;
        waiting.await.map_err(|_| gone())
    }

    /// `cuda` or `cpu`, as results name it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        if self.is_cuda() { "cuda" } else { "cpu" }
    }

    /// Whether tensors live on a GPU.
    #[must_use]
    pub const fn is_cuda(&self) -> bool {
        matches!(self.device, tch::Device::Cuda(_))
    }

    /// The number format that forward passes use when none is asked for.
    #[must_use]
    pub const fn usual_kind(&self) -> Kind {
        if self.is_cuda() { Kind::BFloat16 } else { Kind::Float }
    }

    /// Names of the models that are loaded, the last used first.
    #[must_use]
    pub fn loaded_models(&self) -> Vec<String> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn version([major, minor, patch]: [u8; 3]) -> String {
    format!("{major}.{minor}.{patch}")
}

/// The version that libtorch says it has: the three high bytes of its ABI version.
#[expect(unsafe_code, reason = "the version is a C function of the loaded library")]
fn loaded_version() -> Option<[u8; 3]> {
    let process = Library::this();
    // SAFETY: `aoti_torch_abi_version` takes nothing and returns a `uint64_t` (torch/csrc/inductor/aoti_torch/c/shim.h),
    // and the process stays loaded while it runs.
    let abi = unsafe {
        let version = process.get::<unsafe extern "C" fn() -> u64>(b"aoti_torch_abi_version\0").ok()?;
        version()
    };
    let [major, minor, patch, ..] = abi.to_be_bytes();
    Some([major, minor, patch])
}

/// CUDA when its libraries can be opened and a card answers, else the CPU, with one line that says why.
fn pick(torch_cuda: Option<&Path>) -> tch::Device {
    let Some(folder) = torch_cuda else {
        info!(threads = tch::get_num_threads(), "tensors on the CPU");
        return tch::Device::Cpu;
    };
    match open_cuda(folder) {
        Ok(()) if tch::Cuda::is_available() => {
            info!(cards = tch::Cuda::device_count(), "tensors on CUDA");
            tch::Device::Cuda(0)
        }
        Ok(()) => {
            warn!("tensors on the CPU: CUDA's libraries were opened, but no card or driver answers");
            tch::Device::Cpu
        }
        Err(reason) => {
            warn!(folder = %folder.display(), %reason, "tensors on the CPU: CUDA's libraries cannot be opened");
            tch::Device::Cpu
        }
    }
}

/// Opens `libtorch_cuda.so`. The linker leaves it out of the program, which so runs where there is no CUDA; opening it
/// registers its kernels with the libtorch that is loaded already.
#[expect(unsafe_code, reason = "opening a library runs its initialisers")]
fn open_cuda(folder: &Path) -> Result<(), String> {
    let found = installed_version(folder)?;
    if found != version(LIBTORCH) {
        return Err(format!("they are of PyTorch {found}, but this program needs {}", version(LIBTORCH)));
    }
    // SAFETY: the library's initialisers register kernels and touch nothing of ours; its version was checked above.
    let library = unsafe { Library::open(Some(folder.join("libtorch_cuda.so")), RTLD_NOW | RTLD_GLOBAL) };
    // What was registered must stay for as long as the process lives.
    library.map(std::mem::forget).map_err(|error| error.to_string())
}

/// The version of the PyTorch whose `lib` folder this is: from its `version.py`, or the `build-version` of a plain libtorch.
fn installed_version(lib: &Path) -> Result<String, String> {
    let read = |name: &str| std::fs::read_to_string(lib.join("..").join(name)).ok();
    let python = read("version.py").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
        line.split(['\'', '"']).nth(1).map(str::to_owned)
    });
    let full = python
        .or_else(|| read("build-version"))
        .ok_or("there is neither a version.py nor a build-version beside the folder")?;
    Ok(full.trim().split('+').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::start(&DeviceSettings { torch_cuda: None, model_bytes: 1 << 30 }).unwrap()
    }

    #[test]
    fn the_libtorch_that_is_linked_is_the_one_that_is_needed() {
        assert_eq!(loaded_version(), Some(LIBTORCH));
    }

    #[tokio::test]
    async fn a_panic_in_one_piece_of_work_leaves_the_device_alive() {
        let device = device();

        let fell = device.run(|_| -> i64 { panic!("on purpose") }).await;
        let next = device.run(|desk| tch::Tensor::from(41).to_device(desk.device).int64_value(&[]) + 1).await;

        assert!(matches!(fell, Err(SkillError::Permanent(_))));
        assert_eq!(next, Ok(42));
    }

    #[test]
    fn a_folder_without_cuda_leaves_the_cpu() {
        let folder = tempfile::tempdir().unwrap();

        assert_eq!(pick(Some(folder.path())), tch::Device::Cpu);
    }

    #[test]
    fn cuda_of_another_version_is_not_opened() {
        let torch = tempfile::tempdir().unwrap();
        let lib = torch.path().join("lib");
        std::fs::create_dir(&lib).unwrap();
        std::fs::write(torch.path().join("version.py"), "from typing import Optional\n__version__ = '2.13.0+cu130'\n")
            .unwrap();

        assert_eq!(open_cuda(&lib).unwrap_err(), "they are of PyTorch 2.13.0, but this program needs 2.11.0");
    }

    #[test]
    fn a_plain_libtorch_tells_its_version_too() {
        let torch = tempfile::tempdir().unwrap();
        let lib = torch.path().join("lib");
        std::fs::create_dir(&lib).unwrap();
        std::fs::write(torch.path().join("build-version"), "2.11.0\n").unwrap();

        assert_eq!(installed_version(&lib), Ok("2.11.0".to_owned()));
        assert!(open_cuda(&lib).unwrap_err().contains("libtorch_cuda.so"));
    }
}
