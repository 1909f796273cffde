//! The table from which people take what they send, and the one into which they write what they got.

use std::{
    fs::File,
    io::{BufWriter, Result, Write},
    path::Path,
};

use crate::template::Names;

/// Lines to take.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    columns: Vec<usize>,
    lines: Vec<Vec<u8>>,
    next: usize,
    cycle: bool,
    endless: bool,
}

impl Rows {
    /// Lines without columns, for ever.
    pub(crate) fn endless() -> Self {
        Self { endless: true, ..Self::default() }
    }

    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(path: &Path, skip: usize, cycle: bool, names: &mut Names) -> Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let mut lines = text.lines();
        let columns = lines.next().unwrap_or_default().split('\t').map(|name| names.index(name)).collect();
        Ok(Self { columns, lines: lines.map(|line| line.as_bytes().to_vec()).collect(), next: skip, cycle, endless: false })
    }

    /// Which line is next, from 0.
    pub(crate) fn taken(&self) -> usize {
        self.next
    }

    /// Puts the next line into `values`; false where there is none.
    pub(crate) fn take(&mut self, values: &mut [Vec<u8>]) -> bool {
        if self.endless {
            return true;
        }
        if self.next == self.lines.len() && self.cycle {
            self.next = 0;
        }
        let Some(line) = self.lines.get(self.next) else { return false };
        self.next += 1;
        for (column, field) in self.columns.iter().zip(line.split(|byte| *byte == b'\t')) {
            values[*column].clear();
            values[*column].extend_from_slice(field);
        }
        true
    }
}

/// Lines to write.
#[derive(Debug)]
pub(crate) struct Out {
    file: BufWriter<File>,
    columns: Vec<usize>,
}

impl Out {
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn create(path: &Path, keep: &[String], names: &mut Names) -> Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{}", keep.join("\t"))?;
        Ok(Self { file, columns: keep.iter().map(|name| names.index(name)).collect() })
    }

    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&mut self, values: &[Vec<u8>]) -> Result<()> {
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                self.file.write_all(b"\t")?;
            }
            self.file.write_all(&values[*column])?;
        }
        self.file.write_all(b"\n")
    }

    /// # Errors
    /// The file cannot be written.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file.flush()
    }
}
