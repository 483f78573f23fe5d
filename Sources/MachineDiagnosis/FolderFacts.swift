import Collectives
import Diagnostics
import Files
import Foundation
import Synchronization

/// How the file system of a run directory behaves.
public struct FolderFacts: Codable, Sendable, Equatable {
  /// The folder that was asked about, and the one that was tried: itself, or the nearest around it that is there.
  public var folder, tried: String
  /// Kind of file system, such as `ext4` or `nfs4`.
  public var kind: String?
  /// Room for this user, in bytes.
  public var free: Int?
  /// Median seconds until a small file and its name are on the disk.
  public var syncSeconds: Double?
  /// Bytes a second of a file of some MB that is written and synced.
  public var writeRate: Double?
  /// Whether a second name can be given to a file.
  public var links: Bool?
  /// Hosts that do not see what the first rank wrote.
  public var blindHosts: [String] = []
  /// Why nothing could be written.
  public var problem: Finding?

  /// File systems in the memory of a host.
  var isMemory: Bool { ["tmpfs", "ramfs", "devtmpfs"].contains(kind) }

  /// File systems that other hosts see, as far as their names tell.
  var isNetwork: Bool {
    let kinds = [
      "nfs", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb", "glusterfs", "9p", "orangefs", "pvfs", "afs",
    ]
    return kind.map { kind in kinds.contains { kind.hasPrefix($0) || kind == "fuse.\($0)" } || kind == "fuse.sshfs" }
      ?? false
  }
}

/// Tries a folder as a run would use it; what is made there is removed.
struct FolderCheck {
  let folder: String
  /// Seconds that the whole of it may take: a network disk that is gone answers never.
  var patience = 10.0

  private static let tries = 5
  private static let longFile = 4 << 20

  /// What rank 0 finds, and whether the other hosts see it.
  ///
  /// Collective: all ranks call this in the same order. The same on all ranks.
  func run(_ collectives: any MessagePassing) throws -> FolderFacts {
    let isFirst = collectives.rank == 0
    let scratch = isFirst ? begin() : nil
    let told = try collectives.allGather(scratch.map { Array($0.mark.utf8) } ?? [])[0]
    let mark = String(decoding: told, as: UTF8.self)
    let sees = mark.isEmpty || collectives.nodeRank > 0 || Self.within(patience, { Self.appears(mark) }) ?? false
    let answers = try collectives.allGather(sees ? [] : Array(collectives.hostName.utf8))
    var facts = FolderFacts(folder: folder, tried: folder)
    if let scratch {
      facts = Self.within(patience) { scratch.measure() } ?? hanging
      facts.blindHosts = answers.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
    } else if isFirst {
      facts = failed
    }
    let bytes = try collectives.allGather(isFirst ? Array(JSONEncoder().encode(facts)) : [])[0]
    return try JSONDecoder().decode(FolderFacts.self, from: Data(bytes))
  }

  /// A folder of its own within the one that is tried; nil where there is none.
  private func begin() -> Scratch? { Self.within(patience) { try? Scratch(in: nearest, for: folder) } ?? nil }

  /// The folder itself, or the nearest around it that is there.
  private var nearest: String {
    var place = URL(fileURLWithPath: folder).standardizedFileURL
    while place.path != "/", !FileManager.default.fileExists(atPath: place.path) { place.deleteLastPathComponent() }
    return place.path
  }

  private var hanging: FolderFacts {
    var facts = FolderFacts(folder: folder, tried: folder)
    facts.problem = .error(
      Failure(
        .inputOutput, at: folder, "the file system does not answer within \(Int(patience)) s",
        remedy: "ask whether its server is up, or take another folder"))
    return facts
  }

  /// Why there is no scratch folder.
  private var failed: FolderFacts {
    Self.within(patience) {
      var facts = FolderFacts(folder: folder, tried: nearest)
      do {
        Scratch.remove(try Scratch(in: nearest, for: folder).place)
        return hanging
      } catch {
        facts.kind = Mounts.kind(of: facts.tried)
        facts.problem = .error(error as? Failure ?? Failure(.cannotCreate, at: facts.tried, "\(error)"))
        return facts
      }
    } ?? hanging
  }

  /// Waits for a file that another host wrote: network file systems may take a moment to show it.
  private static func appears(_ file: String) -> Bool {
    for _ in 0..<30 {
      if let handle = FileHandle(forReadingAtPath: file) {
        try? handle.close()
        return true
      }
      Thread.sleep(forTimeInterval: 0.1)
    }
    return false
  }

  /// The result of `body` on a thread of its own; nil where it takes longer.
  private static func within<Result: Sendable>(_ seconds: Double, _ body: @escaping @Sendable () -> Result) -> Result? {
    let box = Box<Result>()
    Thread.detachNewThread { box.set(body()) }
    return box.wait(seconds)
  }
}

/// A result that comes from another thread, or does not.
private final class Box<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let arrived = DispatchSemaphore(value: 0)

  func set(_ value: Value) {
    self.value.withLock { $0 = value }
    arrived.signal()
  }

  func wait(_ seconds: Double) -> Value? {
    _ = arrived.wait(timeout: .now() + seconds)
    return value.withLock { $0 }
  }
}

// MARK: - Trying

extension FolderCheck {
  /// A folder that is tried and then removed.
  private struct Scratch: Sendable {
    let place: String
    let tried: String
    let asked: String
    /// A file that other hosts look for.
    var mark: String { place + "/mark" }

    init(in tried: String, for asked: String) throws {
      (self.tried, self.asked) = (tried, asked)
      var name = Array((tried + "/.skiptune-doctor-XXXXXX").utf8CString)
      guard mkdtemp(&name) != nil else {
        throw Failure.system(
          .cannotCreate, "nothing can be created here", tried, remedy: "choose a folder on a disk that you may write to"
        )
      }
      place = name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      do {
        try AtomicFile.write([UInt8]("seen".utf8), to: URL(fileURLWithPath: mark))
      } catch {
        Self.remove(place)
        throw error
      }
    }

    static func remove(_ place: String) { try? FileManager.default.removeItem(atPath: place) }

    func measure() -> FolderFacts {
      defer { Self.remove(place) }
      var facts = FolderFacts(folder: asked, tried: tried)
      facts.kind = Mounts.kind(of: tried)
      facts.free = DiskSpace(of: tried)?.free
      do {
        facts.syncSeconds = try (0..<FolderCheck.tries).map { try seconds(of: [UInt8](repeating: 1, count: 64), $0) }
          .sorted()[FolderCheck.tries / 2]
        let long = [UInt8](repeating: 2, count: FolderCheck.longFile)
        facts.writeRate = Double(long.count) / max(1e-9, try seconds(of: long, FolderCheck.tries))
        facts.links = link(mark, place + "/second") == 0
      } catch {
        facts.problem = .error(error as? Failure ?? Failure(.inputOutput, at: tried, "\(error)"))
      }
      return facts
    }

    /// Written aside, synced, renamed, and the folder synced, as all files of a run.
    private func seconds(of content: [UInt8], _ number: Int) throws -> Double {
      let start = ContinuousClock.now
      try AtomicFile.write(content, to: URL(fileURLWithPath: "\(place)/\(number)"))
      return start.duration(to: .now) / .seconds(1)
    }
  }
}

/// Mounted file systems.
enum Mounts {
  /// Kind of the file system that holds a path, of which symbolic links are followed.
  static func kind(of path: String, _ files: SystemFiles = SystemFiles()) -> String? {
    let path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    var found: (length: Int, kind: String)?
    for line in (files.text("proc/self/mounts") ?? "").split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count >= 3 else { continue }
      let point = unescaped(fields[1])
      // Of two at one place the later one hides the other.
      let holds = path == point || path.hasPrefix(point == "/" ? "/" : point + "/")
      if holds, point.utf8.count >= found?.length ?? 0 { found = (point.utf8.count, String(fields[2])) }
    }
    return found?.kind
  }

  /// Spaces and the like are written as three octal digits.
  private static func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.count >= 3,
        let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
