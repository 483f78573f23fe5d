/// What is trained, and tested on what.
public enum ProtocolKind: String, CaseIterable, Sendable {
  /// Train on the first half of each data set's classes, test on both halves.
  case baseToNew = "base-to-new"
  /// Train on one data set, test on others.
  case crossDataset = "cross-dataset"
  /// Train on one data set, test on variants of it.
  case domainGeneralisation = "domain-generalisation"
  /// Train and test on all classes of each data set, with few and more images per class.
  case fewShot = "few-shot"

  /// `task` of its trainings.
  var task: String { self == .baseToNew ? "base-to-new" : "all-classes" }

  /// Whether models are tested on other data sets than the one they are trained on.
  var hasTargets: Bool { self == .crossDataset || self == .domainGeneralisation }

  /// Accuracies of one run, and the test sets they are of.
  var measures: [(name: String, testSet: String)] {
    self == .baseToNew ? [("base_acc", "base"), ("new_acc", "new")] : [("acc", "all")]
  }

  /// What the row of means is called.
  var averageName: String {
    switch self {
    case .baseToNew, .fewShot: "average"
    case .crossDataset: "average_xd"
    case .domainGeneralisation: "average_dg"
    }
  }
}
