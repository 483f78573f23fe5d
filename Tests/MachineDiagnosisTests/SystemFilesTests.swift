import Foundation
import TestSupport
import Testing

@testable import MachineDiagnosis

/// What is read of the system's files, from files of a test.
@Suite struct SystemFilesTests {
  /// A folder that stands for `/`.
  private static func system(_ contents: [String: String]) throws -> (files: SystemFiles, folder: ScratchFolder) {
    let folder = try ScratchFolder()
    for (path, text) in contents {
      let file = folder.file(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return (SystemFiles(root: folder.url.path + "/"), folder)
  }

  @Test func listsOfCPUs() {
    #expect(SystemFiles.numbers("0-3,8,10-11\n") == [0, 1, 2, 3, 8, 10, 11])
    #expect(SystemFiles.numbers("5") == [5])
    #expect(SystemFiles.numbers("").isEmpty)
    #expect(SystemFiles.numbers("x,3-1,0-99999999").isEmpty)
  }

  @Test func processorsAndMemory() throws {
    let (files, folder) = try Self.system([
      "proc/cpuinfo":
        "processor\t: 0\nmodel name\t: A CPU @ 2.0GHz\nflags\t\t: sse avx2 amx_bf16 fma\n\nprocessor\t: 1\n",
      "proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-1,3\n", "proc/loadavg": "1.25 0.5 0.1 1/2 3\n",
      "sys/devices/system/cpu/online": "0-7\n",
      "sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0-1\n",
      "sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "0-1\n",
      "sys/devices/system/cpu/cpu3/topology/thread_siblings_list": "2-3\n",
      "proc/meminfo": "MemTotal:       2000 kB\nMemAvailable:   1000 kB\n",
      "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
      "proc/self/limits":
        "Limit  Soft Limit\nMax open files            1024                 4096                 files\n",
    ])
    let processor = RankFacts.Processor(files)
    #expect(processor.model == "A CPU @ 2.0GHz")
    #expect(processor.features == ["avx2", "fma", "amx_bf16"])
    #expect(processor.allowed == [0, 1, 3])
    #expect(processor.cores == 2)
    #expect(processor.online == 8)
    #expect(processor.load == 1.25)
    #expect(processor.quota == nil)
    let memory = RankFacts.Memory(files)
    #expect(memory.total == 2_048_000)
    #expect(memory.usable == 1_024_000)
    #expect(memory.hugePages == "madvise")
    #expect(memory.sharedTotal == nil)
    #expect(RankFacts.openFiles(files) == 1024)
    withExtendedLifetime(folder) {}
  }

  @Test func nothingIsKnownWhereNothingIsTold() throws {
    let (files, folder) = try Self.system([:])
    #expect(RankFacts.Processor(files) == RankFacts.Processor())
    #expect(RankFacts.Memory(files) == RankFacts.Memory())
    #expect(RankFacts.openFiles(files) == nil)
    #expect(Mounts.kind(of: "/", files) == nil)
    withExtendedLifetime(folder) {}
  }

  /// The narrowest of the groups around the process counts; its page cache can be had.
  @Test func limitsOfBothVersionsOfControlGroups() throws {
    let (new, first) = try Self.system([
      "proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/step/memory.max": "max\n",
      "sys/fs/cgroup/job/memory.max": "5000\n", "sys/fs/cgroup/job/memory.current": "3000\n",
      "sys/fs/cgroup/job/memory.stat": "anon 1000\nfile 2000\n", "sys/fs/cgroup/job/step/cpu.max": "150000 100000\n",
      "sys/fs/cgroup/job/cpu.max": "max 100000\n",
    ])
    let limit = try #require(ControlGroup(new).memory)
    #expect((limit.limit, limit.used) == (5000, 1000))
    #expect(ControlGroup(new).processors == 1.5)
    let (old, second) = try Self.system([
      "proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n",
      "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "7000\n",
      "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "6000\n",
      "sys/fs/cgroup/memory/a/memory.stat": "total_cache 500\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
    ])
    let older = try #require(ControlGroup(old).memory)
    #expect((older.limit, older.used) == (7000, 5500))
    #expect(ControlGroup(old).processors == nil)
    withExtendedLifetime([first, second]) {}
  }

  @Test func kindsOfFileSystems() throws {
    let (files, folder) = try Self.system([
      "proc/self/mounts":
        "overlay / overlay rw 0 0\nhome:/x /no\\040where nfs4 rw 0 0\ntmpfs /nowhere/else tmpfs rw 0 0\n"
        + "disk /nowhere ext4 rw 0 0\ndisk2 /nowhere xfs rw 0 0\n"
    ])
    #expect(Mounts.kind(of: "/nowhere/else/run", files) == "tmpfs")
    #expect(Mounts.kind(of: "/nowhere/elsewhere", files) == "xfs")
    #expect(Mounts.kind(of: "/no where", files) == "nfs4")
    #expect(Mounts.kind(of: "/other", files) == "overlay")
    withExtendedLifetime(folder) {}
  }
}
