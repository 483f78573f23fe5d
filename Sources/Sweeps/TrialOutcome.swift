/// What came of a trial, as far as comparing trials needs it.
public struct TrialOutcome: Sendable, Equatable {
  /// How a trial ended.
  public enum State: String, Sendable, CaseIterable {
    /// Its results are there.
    case finished
    /// It failed as often as it may.
    case failed
    /// It did worse than others and was ended; it can go on from its checkpoint.
    case stopped
  }

  /// Of which trial.
  public let trial: Trial
  /// How it ended.
  public var state: State
  /// Starts, the last one included.
  public var attempts: Int
  /// Epochs and steps that were trained.
  public var epochs: Int, steps: Int
  /// Numbers by name: `harmonic_mean`, `accuracy.base`, `macro_f1.base`, `correct.base`, `images.base`, `loss`, and those
  /// of the untuned model after `zero_shot.`; accuracies are percent.
  public var metrics: [String: Double]
  /// Seconds of features and steps; nil where they are not known.
  public var seconds: Double?
  /// Seconds of the tests after training.
  public var testSeconds: Double?
  /// Largest resident memory of any rank.
  public var peakMemoryBytes: Int?
  /// What training sent to other hosts, as its first rank counted it.
  public var sentBytes: Int?
  /// Ranks that ran it.
  public var ranks: Int?
  /// Why it failed, in one line.
  public var problem: String?

  /// An outcome of which only what is given is known.
  public init(
    _ trial: Trial, _ state: State, attempts: Int, epochs: Int = 0, steps: Int = 0, metrics: [String: Double] = [:],
    seconds: Double? = nil, testSeconds: Double? = nil, peakMemoryBytes: Int? = nil, sentBytes: Int? = nil,
    ranks: Int? = nil, problem: String? = nil
  ) {
    self.trial = trial
    self.state = state
    self.attempts = attempts
    self.epochs = epochs
    self.steps = steps
    self.metrics = metrics
    self.seconds = seconds
    self.testSeconds = testSeconds
    self.peakMemoryBytes = peakMemoryBytes
    self.sentBytes = sentBytes
    self.ranks = ranks
    self.problem = problem
  }
}
