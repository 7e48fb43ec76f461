//! The reports that a run answers: those compiled in, or the `*.sql` files of a folder or an S3 prefix.

mod parse;

use std::sync::Arc;

use aws_config::SdkConfig;
use pinlake_aws::{FilesError, read_files};
use pinlake_dataset::{Catalog, DatasetName, Mistake};

use crate::report::{NotAsked, Report};

pub use parse::ReportError;

/// Reports in the order of their numbers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    reports: Vec<Arc<Report>>,
}

/// Why there are no reports to answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportsError {
    /// A report is wrong; every mistake is told as `file:line: reason`.
    #[error("the reports in `{from}` are wrong:\n{source}")]
    Report {
        /// Where the reports came from.
        from: String,
        /// The mistakes.
        source: ReportError,
    },
    /// There is no `*.sql` file.
    #[error("`{from}` holds no report (`<number>_<name>.sql`)")]
    Empty {
        /// Where they were looked for.
        from: String,
    },
    /// The files cannot be had.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// `(path, text)` of every file in `reports/`, listed by the build script.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What the name of a report's file ends with.
const EXTENSION: &str = "sql";

impl Reports {
    /// The reports compiled in from `reports/`.
    pub fn built_in() -> Self {
        match Self::from_files(BUILT_IN.iter().copied()) {
            Ok(reports) => reports,
            // Held by the test below: a mistake in `reports/` cannot get past it.
            Err(error) => unreachable!("the built-in reports are wrong:\n{error}"),
        }
    }

    /// Loads the reports: those compiled in when `from` is `None`, else all `*.sql` files directly in a folder or below
    /// `s3://bucket/prefix/`, or the one file that a path names.
    ///
    /// # Errors
    /// The files cannot be read, there is none, or one is wrong.
    pub async fn load(from: Option<&str>, aws: &SdkConfig) -> Result<Self, ReportsError> {
        match from {
            None => Ok(Self::built_in()),
            Some(from) => Self::parse(from, read_files(from, EXTENSION, aws).await?),
        }
    }

    /// Loads all `*.sql` files directly in a folder of this machine, or one such file.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_path(path: &str) -> Result<Self, ReportsError> {
        Self::parse(
            path,
            pinlake_catalog::read_files(path, EXTENSION).map_err(FilesError::from)?,
        )
    }

    fn parse(from: &str, files: Vec<(String, String)>) -> Result<Self, ReportsError> {
        if files.is_empty() {
            return Err(ReportsError::Empty { from: from.to_owned() });
        }
        let pairs = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Self::from_files(pairs).map_err(|source| ReportsError::Report {
            from: from.to_owned(),
            source,
        })
    }

    /// Parses `(file name, text)` pairs. The file's stem is the report's name; all mistakes of all files are told together.
    ///
    /// # Errors
    /// The mistakes, by file and line.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ReportError> {
        let mut numbered: Vec<(u64, Arc<Report>)> = Vec::new();
        let mut mistakes = Vec::new();
        for (file, text) in files {
            match parse::parse(file, text) {
                Ok((number, report)) if numbered.iter().all(|(_, other)| other.name != report.name) => {
                    numbered.push((number, Arc::new(report)));
                }
                Ok((_, report)) => mistakes.push(Mistake {
                    file: file.to_owned(),
                    line: 1,
                    reason: format!("report `{}` is there twice", report.name),
                }),
                Err(found) => mistakes.extend(found),
            }
        }
        if !mistakes.is_empty() {
            return Err(ReportError::new(mistakes));
        }
        numbered.sort_by(|(left, a), (right, b)| left.cmp(right).then_with(|| a.name.cmp(&b.name)));
        Ok(Self {
            reports: numbered.into_iter().map(|(_, report)| report).collect(),
        })
    }

    /// All reports, in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Report>> {
        self.reports.iter()
    }

    /// The reports whose inputs the catalog defines, and those that it has no datasets for. One that does not tell its
    /// inputs is among the first.
    pub fn over(&self, catalog: &Catalog) -> (Self, Vec<NotAsked>) {
        let (mut asked, mut not_asked) = (Vec::new(), Vec::new());
        for report in self.iter() {
            let missing: Vec<_> = report.inputs.iter().filter(|input| !defines(catalog, input)).collect();
            match missing_words(&missing) {
                None => asked.push(Arc::clone(report)),
                Some(reason) => not_asked.push(NotAsked {
                    report: Arc::clone(report),
                    reason,
                }),
            }
        }
        (Self { reports: asked }, not_asked)
    }

    /// The report with this name, e.g. `01_category_by_country`.
    pub fn get(&self, name: &str) -> Option<&Arc<Report>> {
        self.iter().find(|report| report.name == name)
    }
}

/// Whether the catalog has the dataset; `pin_all` and `pin_quarantine` are views of `pin`.
fn defines(catalog: &Catalog, input: &DatasetName) -> bool {
    let input = input.as_str();
    let views = ["_all", "_quarantine"].map(|view| input.strip_suffix(view));
    let names = views.into_iter().flatten().chain([input]);
    let mut parsed = names.filter_map(|name| DatasetName::parse(name).ok());
    parsed.any(|name| catalog.get(&name).is_some())
}

/// `reads \`geo\` and \`pin\`, which are not defined`; `None` if nothing is missing.
fn missing_words(missing: &[&DatasetName]) -> Option<String> {
    let (last, others) = missing.split_last()?;
    if others.is_empty() {
        return Some(format!("reads `{last}`, which is not defined"));
    }
    let others: Vec<_> = others.iter().map(|name| format!("`{name}`")).collect();
    Some(format!(
        "reads {} and `{last}`, which are not defined",
        others.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "-- title: T\n-- question: Q?\n-- chart: bars x=a y=b\nSELECT 1 AS a, 2 AS b\n";

    #[test]
    fn the_built_in_reports_are_sound() {
        let names: Vec<_> = Reports::built_in().iter().map(|report| report.name.clone()).collect();
        let numbers: Vec<_> = names.iter().filter_map(|name| name.split_once('_')).collect();
        let expected: Vec<_> = (1..=10).map(|number| format!("{number:02}")).collect();
        assert!(numbers.iter().map(|(number, _)| *number).eq(expected), "{names:?}");
    }

    #[test]
    fn numbers_make_the_order() {
        let files = [
            ("10_c.sql", TEXT),
            ("2_b.sql", TEXT),
            ("x/01_a.sql", TEXT),
            ("2_a.sql", TEXT),
        ];
        let reports = Reports::from_files(files).unwrap();
        let names: Vec<_> = reports.iter().map(|report| report.name.as_str()).collect();
        assert_eq!(names, ["01_a", "2_a", "2_b", "10_c"]);
    }

    #[test]
    fn a_report_that_is_there_twice_is_refused() {
        let error = Reports::from_files([("one/1_x.sql", TEXT), ("two/1_x.sql", TEXT)]).unwrap_err();
        assert_eq!(error.to_string(), "two/1_x.sql:1: report `1_x` is there twice");
    }

    #[test]
    fn a_report_is_asked_where_its_inputs_are_defined() {
        let definition = "key = [\"a\"]\n[[column]]\nname = \"a\"\ntype = \"int32\"\nrequired = true\n";
        let catalog = Catalog::from_files([("orders.toml", definition)]).unwrap();
        let over = |inputs: &str| {
            let text = format!("-- inputs: {inputs}\n{TEXT}");
            let (asked, not_asked) = Reports::from_files([("1_x.sql", text.as_str())])
                .unwrap()
                .over(&catalog);
            assert_eq!(asked.iter().len() + not_asked.len(), 1, "{inputs}");
            not_asked.first().map(|report| report.reason.clone())
        };
        for inputs in ["", "orders", "orders_all", "orders_quarantine, orders"] {
            assert_eq!(over(inputs), None, "{inputs}");
        }
        for (inputs, reason) in [
            ("pin", "reads `pin`, which is not defined"),
            ("orders, pin_all", "reads `pin_all`, which is not defined"),
            ("pin, orders, geo", "reads `pin` and `geo`, which are not defined"),
            ("pin, geo, user", "reads `pin`, `geo` and `user`, which are not defined"),
        ] {
            assert_eq!(over(inputs).as_deref(), Some(reason));
        }
    }

    #[test]
    fn a_folder_gives_its_sql_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(
            Reports::load_path(path)
                .unwrap_err()
                .to_string()
                .contains("holds no report")
        );
        std::fs::write(folder.path().join("1_x.sql"), TEXT).unwrap();
        std::fs::write(folder.path().join("README.md"), "no report").unwrap();
        assert_eq!(Reports::load_path(path).unwrap().iter().len(), 1);
        std::fs::write(folder.path().join("2_y.sql"), "SELECT 1").unwrap();
        let error = Reports::load_path(path).unwrap_err().to_string();
        assert!(error.contains("2_y.sql:1: there is no `-- title: …`"), "{error}");
    }
}
