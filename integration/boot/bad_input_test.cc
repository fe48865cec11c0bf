// Mistakes on the command line and in the files it names: the real binary says each in one line on
// standard error and exits with the documented code (crosvm.md 2.3), whatever it was given.

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "integration/testing/child_process.h"
#include "integration/testing/runfiles.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr int kError = 1;
constexpr int kInvalidArguments = 35;

std::string ReadFile(const std::string& path, size_t size) {
  std::ifstream file(path, std::ios::binary);
  std::string content(size, '\0');
  file.read(content.data(), static_cast<std::streamsize>(size));
  content.resize(static_cast<size_t>(file.gcount()));
  return content;
}

// A folder of bad kernels, made once.
class BadFiles {
 public:
  BadFiles() : folder_(absl::StrCat(getenv("TEST_TMPDIR") ?: "/tmp", "/bad_files.XXXXXX")) {
    if (mkdtemp(folder_.data()) == nullptr) abort();
    const std::string bzimage = ReadFile(Runfile("external/debian_cloud_kernel/vmlinuz"), 64 << 20);
    for (const size_t size : {1, 2, 100, 517, 600, 20000}) {
      Write(absl::StrCat("bzimage.", size), bzimage.substr(0, size));
    }
    Write("bzimage.cut", bzimage.substr(0, bzimage.size() - 1));
    Write("bzimage.half", bzimage.substr(0, bzimage.size() / 2));
    const std::string elf = ReadFile(Runfile("external/debian_cloud_kernel/vmlinux"), 1 << 20);
    for (const size_t size : {10, 64, 200, 1 << 20}) {
      Write(absl::StrCat("elf.", size), elf.substr(0, size));
    }
    std::string aarch64 = elf.substr(0, 4096);
    aarch64[18] = '\xb7';  // e_machine: EM_AARCH64
    Write("aarch64", aarch64);
    Write("empty", "");
    Write("text", std::string(5000, 'x'));
    Write("large", "");
    if (truncate(Path("large").c_str(), 300 << 20) != 0) abort();
    Write("unreadable", elf);
    if (chmod(Path("unreadable").c_str(), 0) != 0) abort();
  }

  [[nodiscard]] std::string Path(const std::string& name) const {
    return absl::StrCat(folder_, "/", name);
  }

 private:
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
  }

  std::string folder_;
};

// Replaces $DIR/ and $VMLINUX in an argument.
std::string Expand(const std::string& argument) {
  static const BadFiles* const files = new BadFiles;
  return absl::StrReplaceAll(argument,
                             {{"$DIR", files->Path("")},
                              {"$VMLINUX", Runfile("external/debian_cloud_kernel/vmlinux")},
                              {"$LONG", std::string(5000, 'x')}});
}

struct Case {
  const char* name;
  std::vector<std::string> arguments;
  int status;
  const char* says;
};

class BadInputTest : public ::testing::TestWithParam<Case> {};

TEST_P(BadInputTest, IsOneLineAndItsExitCode) {
  std::vector<std::string> command = {Runfile("vmm/touchstone")};
  for (const std::string& argument : GetParam().arguments) command.push_back(Expand(argument));

  const std::unique_ptr<ChildProcess> child =
      *ChildProcess::Start(command, ChildProcess::Streams::kPipes);
  const absl::StatusOr<int> status = child->Wait(kLimit);

  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, GetParam().status);
  EXPECT_EQ(child->output(), "");
  EXPECT_THAT(child->errors(), MatchesRegex("touchstone: [^\n]+\n"));
  EXPECT_THAT(child->errors(), HasSubstr(GetParam().says));
}

std::vector<Case> CommandLines() {
  return {
      {"Nothing", {}, kInvalidArguments, "a sub-command is missing"},
      {"UnknownCommand", {"fly"}, kInvalidArguments, "unknown sub-command 'fly'"},
      {"UnknownOption", {"run", "--bogus", "k"}, kInvalidArguments, "'--bogus'"},
      {"MisspeltOption", {"run", "--intird", "x", "k"}, kInvalidArguments, "did you mean --initrd"},
      {"MissingValue", {"run", "k", "--initrd"}, kInvalidArguments, "--initrd"},
      {"TwoKernels", {"run", "a", "b"}, kInvalidArguments, "'b'"},
      {"CpusOverflow", {"run", "--cpus", "4294967296", "k"}, kInvalidArguments, "4294967296"},
      {"CpusNegative", {"run", "--cpus=-1", "k"}, kInvalidArguments, "--cpus"},
      {"CpusWord", {"run", "--cpus", "many", "k"}, kInvalidArguments, "'many'"},
      {"MemoryOverflow", {"run", "--mem", "18446744073709551616", "k"}, kInvalidArguments, "--mem"},
      {"SerialNonsense", {"run", "--serial", "nonsense", "k"}, kInvalidArguments, "'nonsense'"},
      {"SerialBadType", {"run", "--serial", "type=fle", "k"}, kInvalidArguments, "mean file?"},
      {"SerialBadKey", {"run", "--serial", "typ=file", "k"}, kInvalidArguments, "mean type?"},
      {"SerialTwice", {"run", "--serial", "num=1,num=2", "k"}, kInvalidArguments, "num"},
      {"LogLevel", {"run", "--log-level", "loud", "k"}, kInvalidArguments, "'loud'"},
  };
}

std::vector<Case> Configurations() {
  return {
      {"NoKernel", {"run"}, kError, "no KERNEL is given"},
      {"CpusNone", {"run", "--cpus", "0", "k"}, kError, "num-cores=0"},
      {"CpusTooMany", {"run", "--cpus", "255", "k"}, kError, "from 1 to 254"},
      {"CpusFourBillion", {"run", "--cpus", "4294967295", "k"}, kError, "num-cores=4294967295"},
      {"MemoryNone", {"run", "--mem", "0", "k"}, kError, "size=0 MiB"},
      {"MemoryTooLittle", {"run", "--mem", "1", "k"}, kError, "at least 4 MiB"},
      {"MemoryBeyondKvm", {"run", "--mem", "16777216", "k"}, kError, "--mem: size=16777216 MiB"},
      {"MemoryPetabyte", {"run", "--mem", "1073741824", "k"}, kError, "more than"},
      {"MemoryOfAllBits", {"run", "--mem", "18446744073709551615", "k"}, kError, "more than"},
      {"SerialNumber", {"run", "--serial", "num=5", "k"}, kError, "num is 1 to 4"},
      {"SerialNoPath", {"run", "--serial", "type=file", "k"}, kError, "needs path="},
      {"SerialTwo", {"run", "--serial", "num=1", "--serial", "num=1", "k"}, kError, "twice"},
      {"LongParams", {"run", "--params", "$LONG", "k"}, kError, "at most 2047 are accepted"},
      {"ControlInParams", {"run", "--params", "a\nb", "k"}, kError, "not printable"},
      {"NoKvm", {"run", "--kvm-device", "$DIRnone", "$VMLINUX"}, kError, "No such file"},
      {"NullKvm", {"run", "--kvm-device", "/dev/null", "$VMLINUX"}, kError, "/dev/null"},
      {"FileKvm", {"run", "--kvm-device", "$DIRtext", "$VMLINUX"}, kError, "KVM_GET_API_VERSION"},
      {"FolderKvm", {"run", "--kvm-device", "/tmp", "$VMLINUX"}, kError, "/tmp"},
  };
}

std::vector<Case> Files() {
  return {
      {"NoFile", {"run", "$DIRnone"}, kError, "No such file or directory"},
      {"Folder", {"run", "$DIR"}, kError, "is a directory"},
      {"Empty", {"run", "$DIRempty"}, kError, "is empty"},
      {"Text", {"run", "$DIRtext"}, kError, "is text, not a kernel"},
      {"Device", {"run", "/dev/zero"}, kError, "/dev/zero"},
      {"Aarch64", {"run", "$DIRaarch64"}, kError, "ELF for aarch64"},
      {"BzImage1", {"run", "$DIRbzimage.1"}, kError, "bzimage.1"},
      {"BzImage2", {"run", "$DIRbzimage.2"}, kError, "truncated"},
      {"BzImage100", {"run", "$DIRbzimage.100"}, kError, "truncated"},
      {"BzImage517", {"run", "$DIRbzimage.517"}, kError, "truncated"},
      {"BzImage600", {"run", "$DIRbzimage.600"}, kError, "truncated"},
      {"BzImage20000", {"run", "$DIRbzimage.20000"}, kError, "truncated"},
      {"BzImageHalf", {"run", "$DIRbzimage.half"}, kError, "truncated"},
      {"BzImageWithoutItsLastByte", {"run", "$DIRbzimage.cut"}, kError, "truncated"},
      {"Elf10", {"run", "$DIRelf.10"}, kError, "elf.10"},
      {"Elf64", {"run", "$DIRelf.64"}, kError, "truncated"},
      {"Elf200", {"run", "$DIRelf.200"}, kError, "truncated"},
      {"ElfMegabyte", {"run", "$DIRelf.1048576"}, kError, "truncated"},
      {"Program", {"run", "/bin/ls"}, kError, "is a dynamically linked user-space program"},
      {"KernelTooLarge", {"run", "--mem", "16", "$VMLINUX"}, kError, "vmlinux"},
      {"NoInitrd", {"run", "--initrd", "$DIRnone", "$VMLINUX"}, kError, "--initrd: open"},
      {"FolderInitrd", {"run", "--initrd", "$DIR", "$VMLINUX"}, kError, "is a directory"},
      {"LargeInitrd", {"run", "--initrd", "$DIRlarge", "$VMLINUX"}, kError, "raise --mem"},
      {"SerialFolder",
       {"run", "--serial", "type=file,path=$DIRnone/x", "$VMLINUX"},
       kError,
       "No such file or directory"},
      {"SerialInput",
       {"run", "--serial", "type=sink,input=$DIRnone", "$VMLINUX"},
       kError,
       "No such file or directory"},
  };
}

std::string Name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(CommandLine, BadInputTest, ::testing::ValuesIn(CommandLines()), Name);
INSTANTIATE_TEST_SUITE_P(Configuration, BadInputTest, ::testing::ValuesIn(Configurations()), Name);
INSTANTIATE_TEST_SUITE_P(File, BadInputTest, ::testing::ValuesIn(Files()), Name);

// As somebody who is not root, for whom a mode means something.
TEST(UnreadableKernelTest, IsOneLineAndItsExitCode) {
  const std::string kernel = Expand("$DIRunreadable");
  const std::vector<std::string> command = {"setpriv",
                                            "--bounding-set=-all",
                                            "--inh-caps=-all",
                                            Runfile("vmm/touchstone"),
                                            "run",
                                            "--disable-sandbox",
                                            kernel};
  const std::unique_ptr<ChildProcess> child =
      *ChildProcess::Start(command, ChildProcess::Streams::kPipes);
  const absl::StatusOr<int> status = child->Wait(kLimit);

  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, kError);
  EXPECT_THAT(child->errors(), MatchesRegex("touchstone: [^\n]*Permission denied\n"));
}

}  // namespace
}  // namespace touchstone
