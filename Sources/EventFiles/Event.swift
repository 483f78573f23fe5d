/// One entry of an event file: what was so at a step.
public struct Event: Equatable, Sendable {
  /// What is told.
  public enum Content: Equatable, Sendable {
    /// The file follows version 2 of the format; the first event of every file.
    case version
    /// The writer starts from this step: what was told of it and of later ones before holds no more.
    case start
    /// Values of curves by tag, such as `loss`; slashes group them.
    case scalars([Scalar])
    /// A text in Markdown, under a tag.
    case text(tag: String, markdown: String)
  }

  /// A value of a curve.
  public struct Scalar: Equatable, Sendable {
    /// Name of the curve.
    public let tag: String
    /// The value; NaN and infinities are kept.
    public let value: Double

    /// A value of the curve `tag`; files hold it as a Float.
    public init(_ tag: String, _ value: Double) {
      self.tag = tag
      self.value = value
    }
  }

  /// Seconds since 1970.
  public let time: Double
  /// Steps of training that were done.
  public let step: Int
  /// What is told.
  public let content: Content

  /// An event of `step` at `time`, seconds since 1970.
  public init(time: Double, step: Int, _ content: Content) {
    (self.time, self.step, self.content) = (time, step, content)
  }
}

// MARK: - As a message

/// Numbers of fields in TensorFlow's event.proto, summary.proto, tensor.proto and tensor_shape.proto.
private enum Field {
  static let eventTime = 1, eventStep = 2, eventVersion = 3, eventSummary = 5, eventSession = 7
  static let sessionStatus = 1
  static let summaryValue = 1, valueTag = 1, valueNumber = 2, valueTensor = 8, valueMetadata = 9
  static let metadataPlugin = 1, pluginName = 1
  static let tensorType = 1, tensorShape = 2, tensorText = 8, shapeDimension = 2, dimensionSize = 1
}

extension Event {
  /// The first bytes of every file say this.
  static let version = "brain.Event:2"
  private static let sessionStart = 1
  private static let textTensor = 7

  /// The event as a message of protocol buffers.
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(Field.eventTime, double: time)
    message.add(Field.eventStep, integer: step)
    switch content {
    case .version: message.add(Field.eventVersion, text: Self.version)
    case .start:
      var session = ProtobufMessage()
      session.add(Field.sessionStatus, integer: Self.sessionStart)
      message.add(Field.eventSession, message: session)
    case .scalars(let scalars):
      message.add(Field.eventSummary, message: Self.summary(scalars.map(Self.value)))
    case .text(let tag, let markdown):
      message.add(Field.eventSummary, message: Self.summary([Self.value(tag, markdown: markdown)]))
    }
    return message
  }

  private static func summary(_ values: [ProtobufMessage]) -> ProtobufMessage {
    values.reduce(into: ProtobufMessage()) { $0.add(Field.summaryValue, message: $1) }
  }

  private static func value(_ scalar: Scalar) -> ProtobufMessage {
    var value = ProtobufMessage()
    value.add(Field.valueTag, text: scalar.tag)
    value.add(Field.valueNumber, float: Float(scalar.value))
    return value
  }

  /// A tensor of one text, which TensorBoard's plugin `text` shows.
  private static func value(_ tag: String, markdown: String) -> ProtobufMessage {
    var dimension = ProtobufMessage()
    dimension.add(Field.dimensionSize, integer: 1)
    var shape = ProtobufMessage()
    shape.add(Field.shapeDimension, message: dimension)
    var tensor = ProtobufMessage()
    tensor.add(Field.tensorType, integer: textTensor)
    tensor.add(Field.tensorShape, message: shape)
    tensor.add(Field.tensorText, text: markdown)
    var plugin = ProtobufMessage()
    plugin.add(Field.pluginName, text: "text")
    var metadata = ProtobufMessage()
    metadata.add(Field.metadataPlugin, message: plugin)
    var value = ProtobufMessage()
    value.add(Field.valueTag, text: tag)
    value.add(Field.valueTensor, message: tensor)
    value.add(Field.valueMetadata, message: metadata)
    return value
  }

  /// The step that a message tells of; 0 where it names none.
  static func step(of message: ArraySlice<UInt8>) -> Int { ProtobufMessage.integer(Field.eventStep, of: message) ?? 0 }
}
