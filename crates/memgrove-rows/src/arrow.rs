//! Rows as Arrow's record batches, and files of them.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, ListBuilder, StringBuilder, UInt64Builder};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::{COLUMNS, Kind, Row, Value};

/// The columns in Arrow's terms.
#[must_use]
pub fn schema() -> SchemaRef {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|column| {
            let data = match column.kind {
                Kind::Text => DataType::Utf8,
                Kind::List => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
                Kind::Number => DataType::UInt64,
                Kind::Fraction => DataType::Float64,
                Kind::Flag => DataType::Boolean,
            };
            let is_nullable = !matches!(column.kind, Kind::List | Kind::Flag);
            Field::new(column.name, data, is_nullable)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// A column as it is filled.
enum Builder {
    Text(StringBuilder),
    List(ListBuilder<StringBuilder>),
    Number(UInt64Builder),
    Fraction(Float64Builder),
    Flag(BooleanBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::List => Self::List(ListBuilder::new(StringBuilder::new())),
            Kind::Number => Self::Number(UInt64Builder::new()),
            Kind::Fraction => Self::Fraction(Float64Builder::new()),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
        }
    }

    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(builder), Value::Text(text)) => builder.append_option(text),
            (Self::List(builder), Value::List(list)) => {
                for entry in list {
                    builder.values().append_value(entry);
                }
                builder.append(true);
            }
            (Self::Number(builder), Value::Number(number)) => builder.append_option(number),
            (Self::Fraction(builder), Value::Fraction(number)) => builder.append_option(number),
            (Self::Flag(builder), Value::Flag(flag)) => builder.append_value(flag),
            // A column's kind and its values' are those of one type; a column of another length is refused below.
            _ => {}
        }
    }

    fn finish(mut self) -> ArrayRef {
        match &mut self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::List(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Fraction(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Rows as a batch.
///
/// # Errors
/// What Arrow says; there is no row here that it refuses.
pub fn batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let mut builders: Vec<_> = COLUMNS.iter().map(|column| Builder::new(column.kind)).collect();
    for row in rows {
        for (builder, value) in builders.iter_mut().zip(row.values()) {
            builder.push(value);
        }
    }
    RecordBatch::try_new(schema(), builders.into_iter().map(Builder::finish).collect())
}

/// Arrow's IPC stream, as one batch follows the other.
pub struct Stream<W: Write>(StreamWriter<W>);

impl<W: Write> Stream<W> {
    /// Writes the schema.
    ///
    /// # Errors
    /// What Arrow or the writer says.
    pub fn new(writer: W) -> Result<Self, ArrowError> {
        Ok(Self(StreamWriter::try_new(writer, &schema())?))
    }

    /// Writes rows.
    ///
    /// # Errors
    /// What Arrow or the writer says.
    pub fn write(&mut self, rows: &[Row]) -> Result<(), ArrowError> {
        self.0.write(&batch(rows)?)
    }

    /// Writes the end, and gives the writer back.
    ///
    /// # Errors
    /// What Arrow or the writer says.
    pub fn finish(self) -> Result<W, ArrowError> {
        self.0.into_inner()
    }
}

/// A Parquet file, as one row group follows the other.
#[cfg(feature = "parquet")]
pub struct Parquet<W: Write + Send>(parquet::arrow::ArrowWriter<W>);

#[cfg(feature = "parquet")]
impl<W: Write + Send> Parquet<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What Parquet or the writer says.
    pub fn new(writer: W) -> Result<Self, parquet::errors::ParquetError> {
        use parquet::basic::Compression;
        use parquet::file::properties::WriterProperties;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Self(parquet::arrow::ArrowWriter::try_new(writer, schema(), Some(properties))?))
    }

    /// Writes rows as a group of their own.
    ///
    /// # Errors
    /// What Parquet or the writer says.
    pub fn write(&mut self, rows: &[Row]) -> Result<(), parquet::errors::ParquetError> {
        self.0.write(&batch(rows)?)?;
        self.0.flush()
    }

    /// Writes the end, and gives the writer back.
    ///
    /// # Errors
    /// What Parquet or the writer says.
    pub fn finish(self) -> Result<W, parquet::errors::ParquetError> {
        self.0.into_inner()
    }
}

/// What is wrong with a file of rows.
pub type FileError = Box<dyn std::error::Error + Send + Sync>;

/// The sources of a Parquet file's rows, each as often as a row is its source's last.
///
/// # Errors
/// If it is not a whole file of rows.
#[cfg(feature = "parquet")]
pub fn sources_of_parquet(file: std::fs::File, take: &mut dyn FnMut(&str)) -> Result<(), FileError> {
    use parquet::arrow::ProjectionMask;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["source", "last"]);
    builder.with_projection(mask).build()?.try_for_each(|batch| sources(&batch?, take))
}

/// The same of a file that [`Stream`] wrote.
///
/// # Errors
/// If it is not a whole file of rows.
pub fn sources_of_stream(file: impl std::io::Read, take: &mut dyn FnMut(&str)) -> Result<(), FileError> {
    arrow_ipc::reader::StreamReader::try_new(file, None)?.try_for_each(|batch| sources(&batch?, take))
}

fn sources(batch: &RecordBatch, take: &mut dyn FnMut(&str)) -> Result<(), FileError> {
    let sources = batch.column_by_name("source").and_then(|it| it.as_any().downcast_ref::<StringArray>());
    let lasts = batch.column_by_name("last").and_then(|it| it.as_any().downcast_ref::<BooleanArray>());
    let (Some(sources), Some(lasts)) = (sources, lasts) else {
        return Err("it has no columns `source` and `last`".into());
    };
    for (source, last) in sources.iter().zip(lasts) {
        if let (Some(source), Some(true)) = (source, last) {
            take(source);
        }
    }
    Ok(())
}
