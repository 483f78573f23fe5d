import Diagnostics
import Foundation
import RestrictedPickle

extension FewShotSubset {
  /// What Dassl, which CoOp-style code is built on, calls the class of an image and its label.
  private static let datum = PickleGlobal("dassl.data.datasets.base_dataset", "Datum")

  /// Reads `shot_K-seed_S.pkl`: `{"train": [Datum, ...], "val": [Datum, ...]}`; `val` may be missing, as for ImageNet.
  ///
  /// Nothing in the file is executed. Throws `Failure(.badData)`.
  init(pickle bytes: [UInt8], _ url: URL) throws {
    let value = try PickleReader(allowing: [Self.datum]).value(of: bytes, name: url.path)
    guard case .dict = value, let train = value["train"] else {
      throw Failure(
        .badData, at: url.path, "the pickle holds no dictionary with the list train",
        remedy: "give a file such as split_fewshot/shot_16-seed_1.pkl")
    }
    self.init(
      train: try Self.items(train, "train", url),
      validation: try value["val"].map { try Self.items($0, "val", url) } ?? [])
  }

  private static func items(_ list: PickleValue, _ name: String, _ url: URL) throws -> [DatasetItem] {
    guard case .list(let elements) = list else {
      throw Failure(.badData, at: url.path, "\(name) is no list", remedy: "give a published few-shot subset")
    }
    return try elements.enumerated().map { index, element in
      guard let record = element.record, record.global == datum, let state = record.state,
        let path = state["_impath"]?.string, let label = state["_label"]?.int,
        let className = state["_classname"]?.string
      else {
        throw Failure(
          .badData, at: url.path, "\(name)[\(index)] is no \(datum) with _impath, _label and _classname",
          remedy: "give a published few-shot subset")
      }
      return DatasetItem(path: path, label: label, className: className)
    }
  }
}
