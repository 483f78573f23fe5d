import Diagnostics
import Foundation
import StrictJSON

/// How an image becomes the input of the image tower: bicubic resize of the shorter side, central square, mean and
/// deviation per channel.
public struct ImagePreprocessing: Sendable, Equatable {
  /// Length of the image's shorter side after resizing, in pixels.
  public var resizeSize: Int
  /// Side of the square cut from the middle, in pixels; at most `resizeSize`.
  public var cropSize: Int
  /// Subtracted from red, green and blue, which range from 0 to 1.
  public var mean: [Float]
  /// What red, green and blue are divided by after that.
  public var standardDeviation: [Float]

  /// Means of OpenAI's training images.
  public static let clipMean: [Float] = [0.48145466, 0.4578275, 0.40821073]
  /// Standard deviations of OpenAI's training images.
  public static let clipStandardDeviation: [Float] = [0.26862954, 0.26130258, 0.27577711]

  /// The given sizes with CLIP's means and deviations unless told otherwise.
  public init(
    resizeSize: Int, cropSize: Int, mean: [Float] = clipMean, standardDeviation: [Float] = clipStandardDeviation
  ) {
    self.resizeSize = resizeSize
    self.cropSize = cropSize
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  /// Reads `preprocessor_config.json` of a folder in the form of Hugging Face, or `processor_config.json` where newer
  /// versions put the same; CLIP's own preprocessing for `imageSize` when there is neither.
  ///
  /// Throws `.badData` for steps that this program does not do or leaves out: other filters than bicubic, a resize that
  /// ignores the aspect ratio, another scale than 1/255, a crop that does not fit the model's `imageSize`.
  public init(huggingFaceFolder: URL, imageSize: Int) throws {
    guard let section = try Self.section(in: huggingFaceFolder) else {
      self.init(resizeSize: imageSize, cropSize: imageSize)
      return
    }
    try Self.checkSteps(section)
    let resizeSize = try Self.resizeSize(section)
    let cropSize = try Self.cropSize(section)
    guard cropSize == imageSize else {
      throw section.failure("crop_size", "\(cropSize) does not fit the model, which takes images of \(imageSize)")
    }
    guard resizeSize >= cropSize else {
      throw section.failure("size", "\(resizeSize) is smaller than the crop of \(cropSize)")
    }
    let mean = try Self.channels("image_mean", of: section, default: Self.clipMean)
    let deviation = try Self.channels("image_std", of: section, default: Self.clipStandardDeviation)
    guard deviation.allSatisfy({ $0 > 0 }) else { throw section.failure("image_std", "must be above 0") }
    self.init(resizeSize: resizeSize, cropSize: cropSize, mean: mean, standardDeviation: deviation)
  }
}

// MARK: - Other forms than Hugging Face's

extension ImagePreprocessing {
  /// Reads what lies beside the weights, as `init(huggingFaceFolder:imageSize:)` and of open_clip's form the part
  /// `preprocess_cfg`; CLIP's own preprocessing when there is neither.
  ///
  /// Throws as `init(huggingFaceFolder:imageSize:)`.
  public init(_ source: ModelSource, imageSize: Int) throws {
    guard source.form == .openCLIP, try Self.section(in: source.folder) == nil else {
      try self.init(huggingFaceFolder: source.folder, imageSize: imageSize)
      return
    }
    let file = source.folder.appendingPathComponent(OpenCLIPFolder.configurationName)
    try self.init(
      openCLIP: JSONSection(contentsOf: file, limit: CLIPConfiguration.largestFile).section("preprocess_cfg"),
      imageSize: imageSize)
  }

  private init(openCLIP section: JSONSection, imageSize: Int) throws {
    for (key, only) in [("interpolation", "bicubic"), ("resize_mode", "shortest"), ("mode", "RGB")] {
      guard try section.string(key, default: only) == only else {
        throw section.failure(key, "must be \(quoted(only)), the only one supported")
      }
    }
    guard try section.side("size", default: imageSize, in: Self.sizes) == imageSize else {
      throw section.failure("size", "does not fit the model, which takes images of \(imageSize)")
    }
    let deviation = try Self.channels("std", of: section, default: Self.clipStandardDeviation)
    guard deviation.allSatisfy({ $0 > 0 }) else { throw section.failure("std", "must be above 0") }
    self.init(
      resizeSize: imageSize, cropSize: imageSize, mean: try Self.channels("mean", of: section, default: Self.clipMean),
      standardDeviation: deviation)
  }

  /// What weights without a configuration leave open about images, in words; nil where a file tells.
  public static func note(of source: ModelSource) throws -> String? {
    guard source.form == .openAI, try section(in: source.folder) == nil else { return nil }
    return "\(source.name): no preprocessor_config.json, so images are prepared as for OpenAI's CLIP"
  }

  /// The content of `preprocessor_config.json` for this preprocessing.
  var huggingFaceJSON: Data {
    func numbers(_ values: [Float]) -> JSONValue { .array(values.map { .number(Double("\($0)")!) }) }
    let steps = ["do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"]
    let members =
      steps.map { JSONMember($0, .bool(true)) } + [
        JSONMember("size", .object([JSONMember("shortest_edge", .integer(resizeSize))])),
        JSONMember(
          "crop_size",
          .object([JSONMember("height", .integer(cropSize)), JSONMember("width", .integer(cropSize))])),
        JSONMember("resample", .integer(Self.bicubic)), JSONMember("rescale_factor", .number(1.0 / 255)),
        JSONMember("image_mean", numbers(mean)), JSONMember("image_std", numbers(standardDeviation)),
        JSONMember("image_processor_type", .string("CLIPImageProcessor")),
      ]
    return Data((JSONText.pretty(.object(members)) + "\n").utf8)
  }
}

// MARK: - Reading

extension ImagePreprocessing {
  private static let sizes = 1...(1 << 14)
  private static let bicubic = 3

  private static func section(in folder: URL) throws -> JSONSection? {
    func json(_ name: String) throws -> JSONSection? {
      let url = folder.appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: url.path) else { return nil }
      return try JSONSection(contentsOf: url, limit: CLIPConfiguration.largestFile)
    }
    if let own = try json("preprocessor_config.json") { return own }
    guard let shared = try json("processor_config.json"), shared["image_processor"] != nil else { return nil }
    return try shared.section("image_processor")
  }

  private static func checkSteps(_ section: JSONSection) throws {
    for key in ["do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"] {
      guard section[key].map({ $0 == .bool(true) }) ?? true else {
        throw section.failure(key, "must be true: images are always prepared with that step")
      }
    }
    guard try section.integer("resample", default: bicubic, in: 0...5) == bicubic else {
      throw section.failure("resample", "must be \(bicubic), bicubic, the only filter supported")
    }
    guard abs(try section.number("rescale_factor", default: 1.0 / 255) - 1.0 / 255) < 1e-9 else {
      throw section.failure("rescale_factor", "must be 1/255")
    }
  }

  /// An integer or `{"shortest_edge": integer}`.
  private static func resizeSize(_ section: JSONSection) throws -> Int {
    guard section["size"]?.members != nil else { return try section.integer("size", default: 224, in: sizes) }
    let size = try section.section("size")
    guard size["shortest_edge"] != nil, size["longest_edge"] ?? .null == .null else {
      throw section.failure(
        "size", "must be an integer or have shortest_edge alone: height and width would ignore the aspect ratio",
        remedy: "check that the preprocessing belongs to a CLIP")
    }
    return try size.integer("shortest_edge", default: 224, in: sizes)
  }

  /// An integer or `{"height": integer, "width": the same}`.
  private static func cropSize(_ section: JSONSection) throws -> Int {
    guard section["crop_size"]?.members != nil else { return try section.integer("crop_size", default: 224, in: sizes) }
    let size = try section.section("crop_size")
    let height = try size.integer("height", default: 224, in: sizes)
    guard try size.integer("width", default: 224, in: sizes) == height else {
      throw section.failure("crop_size", "must be square")
    }
    return height
  }

  private static func channels(_ key: String, of section: JSONSection, default standard: [Float]) throws -> [Float] {
    guard let value = section[key] else { return standard }
    let numbers = value.elements?.compactMap(\.number).map { Float($0) } ?? []
    guard numbers.count == 3, value.elements?.count == 3, numbers.allSatisfy(\.isFinite) else {
      throw section.failure(key, "must be three numbers, for red, green and blue")
    }
    return numbers
  }
}
