//! Reads `pytorch_model.bin`, a state dictionary that `torch.save` wrote: tensors only, nothing in it is run.
//!
//! It is a zip archive with a pickle (protocol 2) that describes the tensors, and one file of raw numbers per storage. Of
//! the pickle machine (Python's `pickletools` documents it) those opcodes are known that a state dictionary needs.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use tch::{Kind, Tensor};
use zip::ZipArchive;

/// A fault, in words.
type Fault = String;

/// The tensors of a checkpoint by name.
///
/// # Errors
/// When the file is no such archive, or holds anything but tensors.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>, Fault> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(file).map_err(|_| "it is not a zip archive, as torch.save writes since 1.6")?;
    let pickle = archive.file_names().find(|name| name.ends_with("/data.pkl")).map(str::to_owned);
    let pickle = pickle.ok_or("the archive holds no data.pkl")?;
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    let Object::Dictionary(entries) = unpickle(&contents(&mut archive, &pickle)?)? else {
        return Err("its pickle is not a dictionary".to_owned());
    };
    let mut storages: HashMap<String, Tensor> = HashMap::new();
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, object) in entries {
        let (Object::Text(name), Object::Tensor(view)) = (name, object) else {
            return Err("its dictionary holds something that is not a tensor".to_owned());
        };
        if !storages.contains_key(&view.storage.key) {
            let bytes = contents(&mut archive, &format!("{folder}data/{}", view.storage.key))?;
            let kind = view.storage.kind;
            let count = (bytes.len() / kind.elt_size_in_bytes()) as i64;
            let flat = Tensor::f_from_data_size(&bytes, &[count], kind).map_err(|error| error.to_string())?;
            storages.insert(view.storage.key.clone(), flat);
        }
        // libtorch refuses a view that reaches beyond its storage.
        let tensor = storages[&view.storage.key].f_as_strided(&view.size, &view.stride, view.offset);
        let tensor = tensor.and_then(|tensor| tensor.f_contiguous());
        tensors.push((name, tensor.map_err(|error| error.to_string())?));
    }
    Ok(tensors)
}

fn contents(archive: &mut ZipArchive<File>, name: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut file = archive.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    file.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(bytes)
}

#[derive(Debug, Clone, PartialEq)]
enum Object {
    /// `None`, or an object whose content does not matter here.
    Nothing,
    Int(i64),
    Text(String),
    Tuple(Vec<Object>),
    Dictionary(Vec<(Object, Object)>),
    /// A class or function, as `module name`.
    Global(String),
    Storage(Storage),
    Tensor(View),
    Mark,
}

#[derive(Debug, Clone, PartialEq)]
struct Storage {
    kind: Kind,
    key: String,
}

#[derive(Debug, Clone, PartialEq)]
struct View {
    storage: Storage,
    offset: i64,
    size: Vec<i64>,
    stride: Vec<i64>,
}

/// Runs the pickle's opcodes.
fn unpickle(bytes: &[u8]) -> Result<Object, Fault> {
    let mut machine = Machine { bytes, stack: Vec::new(), memo: HashMap::new() };
    loop {
        if let Some(object) = machine.step()? {
            return Ok(object);
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Object>,
    memo: HashMap<u32, Object>,
}

impl Machine<'_> {
    /// Runs one opcode; the last one gives the whole object.
    fn step(&mut self) -> Result<Option<Object>, Fault> {
        let [opcode] = self.take()?;
        match opcode {
            // PROTO
            0x80 => drop(self.take::<1>()?),
            // STOP
            b'.' => return self.pop().map(Some),
            b'(' => self.stack.push(Object::Mark),
            b'N' | 0x88 | 0x89 => self.stack.push(Object::Nothing),
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.stack.push(Object::Int(number.into()));
            }
            b'K' => {
                let [number] = self.take()?;
                self.stack.push(Object::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.stack.push(Object::Int(number.into()));
            }
            // LONG1
            0x8a => {
                let [length] = self.take()?;
                let number = long(self.slice(length.into())?)?;
                self.stack.push(Object::Int(number));
            }
            b'X' => {
                let length = u32::from_le_bytes(self.take()?) as usize;
                let text = String::from_utf8_lossy(self.slice(length)?).into_owned();
                self.stack.push(Object::Text(text));
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Object::Global(format!("{module} {name}")));
            }
            b')' => self.stack.push(Object::Tuple(Vec::new())),
            b't' => {
                let items = self.down_to_mark()?;
                self.stack.push(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let place = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or_else(cut_short)?;
                let items = self.stack.split_off(place);
                self.stack.push(Object::Tuple(items));
            }
            b'}' => self.stack.push(Object::Dictionary(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, value])?;
            }
            b'u' => {
                let items = self.down_to_mark()?;
                self.set(items)?;
            }
            b'q' => {
                let [place] = self.take()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.take()?);
                self.remember(place)?;
            }
            b'h' => {
                let [place] = self.take()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.take()?);
                self.recall(place)?;
            }
            b'Q' => {
                let storage = storage(&self.pop()?)?;
                self.stack.push(Object::Storage(storage));
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.stack.push(call(&function, arguments)?);
            }
            // BUILD gives an object attributes; a dictionary of tensors has none that matter.
            b'b' => drop(self.pop()?),
            other => return Err(format!("its pickle has the opcode 0x{other:02x}, which no state dictionary needs")),
        }
        Ok(None)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], Fault> {
        let (slice, rest) = self.bytes.split_at_checked(length).ok_or_else(cut_short)?;
        self.bytes = rest;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(cut_short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn line(&mut self) -> Result<String, Fault> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n').ok_or_else(cut_short)?;
        let line = String::from_utf8_lossy(self.slice(end)?).into_owned();
        self.take::<1>()?;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Object, Fault> {
        self.stack.pop().ok_or_else(cut_short)
    }

    fn down_to_mark(&mut self) -> Result<Vec<Object>, Fault> {
        let mark = self.stack.iter().rposition(|object| *object == Object::Mark).ok_or_else(cut_short)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.truncate(mark);
        Ok(items)
    }

    /// Puts keys and values, in turn, into the dictionary on top of the stack.
    fn set(&mut self, items: Vec<Object>) -> Result<(), Fault> {
        let Some(Object::Dictionary(entries)) = self.stack.last_mut() else {
            return Err("its pickle fills something that is not a dictionary".to_owned());
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<(), Fault> {
        let object = self.stack.last().ok_or_else(cut_short)?.clone();
        self.memo.insert(place, object);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), Fault> {
        self.stack.push(self.memo.get(&place).ok_or_else(cut_short)?.clone());
        Ok(())
    }
}

fn cut_short() -> Fault {
    "its pickle is cut short or damaged".to_owned()
}

/// A little-endian whole number of at most eight bytes, the highest bit its sign.
fn long(bytes: &[u8]) -> Result<i64, Fault> {
    let fill = if bytes.last().is_some_and(|byte| 0x80 <= *byte) { 0xff } else { 0 };
    let mut whole = [fill; 8];
    whole.get_mut(..bytes.len()).ok_or_else(cut_short)?.copy_from_slice(bytes);
    Ok(i64::from_le_bytes(whole))
}

/// `("storage", torch.FloatStorage, key, device, count)`
fn storage(id: &Object) -> Result<Storage, Fault> {
    let Object::Tuple(parts) = id else { return Err(cut_short()) };
    let [Object::Text(_), Object::Global(class), Object::Text(key), ..] = parts.as_slice() else {
        return Err(cut_short());
    };
    let kind = match class.as_str() {
        "torch FloatStorage" => Kind::Float,
        "torch HalfStorage" => Kind::Half,
        "torch BFloat16Storage" => Kind::BFloat16,
        "torch DoubleStorage" => Kind::Double,
        "torch LongStorage" => Kind::Int64,
        other => return Err(format!("it holds a {other}; weights must be floating point numbers")),
    };
    Ok(Storage { kind, key: key.clone() })
}

fn call(function: &Object, arguments: Object) -> Result<Object, Fault> {
    let (Object::Global(name), Object::Tuple(arguments)) = (function, arguments) else { return Err(cut_short()) };
    match (name.as_str(), arguments.as_slice()) {
        ("collections OrderedDict", []) => Ok(Object::Dictionary(Vec::new())),
        ("torch._utils _rebuild_parameter", [tensor @ Object::Tensor(_), ..]) => Ok(tensor.clone()),
        (
            "torch._utils _rebuild_tensor_v2",
            [Object::Storage(storage), Object::Int(offset), Object::Tuple(size), Object::Tuple(stride), ..],
        ) => {
            let view = View { storage: storage.clone(), offset: *offset, size: ints(size)?, stride: ints(stride)? };
            Ok(Object::Tensor(view))
        }
        (other, _) => Err(format!("it holds an object made by {other}; only tensors are read")),
    }
}

fn ints(objects: &[Object]) -> Result<Vec<i64>, Fault> {
    let int = |object: &Object| if let Object::Int(number) = object { Ok(*number) } else { Err(cut_short()) };
    objects.iter().map(int).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_keep_their_sign() {
        assert_eq!(long(&[]), Ok(0));
        assert_eq!(long(&[0x00, 0x80, 0x00]), Ok(0x8000));
        assert_eq!(long(&[0xff]), Ok(-1));
        assert!(long(&[1; 9]).is_err());
    }

    #[test]
    fn a_pickle_that_would_run_something_is_refused() {
        let fault = unpickle(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();

        assert_eq!(fault, "it holds an object made by os system; only tensors are read");
    }

    #[test]
    fn a_damaged_pickle_is_an_error_at_every_length() {
        let whole = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00bJ\x02\x00\x00\x00u.";

        assert!(unpickle(whole).is_ok());
        for length in 0..whole.len() {
            assert!(unpickle(&whole[..length]).is_err(), "{length}");
        }
    }
}
