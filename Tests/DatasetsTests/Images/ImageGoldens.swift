import Foundation
import TestSupport

@testable import Datasets

/// What Tests/Reference/images_goldens.py left: files, and Pillow's pixels.
struct ImageGoldens: Sendable {
  struct Place: Codable, Sendable {
    let width: Int
    let height: Int
    let offset: Int
  }

  struct Central: Codable, Sendable {
    let resize: Int
    let crop: Int
    let source: Place
    let result: Place
  }

  struct Resized: Codable, Sendable {
    let box: [Int]
    let source: Place
    let result: Place
  }

  struct Choice: Codable, Sendable {
    let width: Int
    let height: Int
    let scale: [Double]
    let ratio: [Double]
    let flip: Double
    let image: UInt32
    let box: [Int]
    let mirrored: Bool
  }

  struct Index: Codable, Sendable {
    let decoded: [String: Place]
    let central: [Central]
    let resized: [Resized]
    let choices: [Choice]
    let refused: [String]
  }

  static let shared = ImageGoldens()

  let index: Index
  private let pixels: [UInt8]

  private init() {
    let json = try! Data(contentsOf: Goldens.url("images/index.json"))
    index = try! JSONDecoder().decode(Index.self, from: json)
    pixels = Array(try! Data(contentsOf: Goldens.url("images/pixels.bin")))
  }

  /// Names of the files that Pillow decodes.
  var names: [String] { index.decoded.keys.sorted() }

  func image(_ place: Place) -> RGBImage {
    let bytes = pixels[place.offset..<place.offset + 3 * place.width * place.height]
    return RGBImage(width: place.width, height: place.height, pixels: Array(bytes))
  }

  func url(_ name: String) -> URL { Goldens.url("images/files/\(name)") }

  func bytes(_ name: String) -> [UInt8] { Array(try! Data(contentsOf: url(name))) }
}

extension RGBImage {
  /// Largest and mean difference of the bytes of two images of one size.
  func difference(from other: RGBImage) -> (largest: Int, mean: Double) {
    let differences = zip(pixels, other.pixels).map { abs(Int($0) - Int($1)) }
    return (differences.max() ?? 0, Double(differences.reduce(0, +)) / Double(max(1, differences.count)))
  }
}

extension PixelBox {
  /// `[left, top, width, height]`.
  init(_ numbers: [Int]) {
    self.init(left: numbers[0], top: numbers[1], width: numbers[2], height: numbers[3])
  }
}
