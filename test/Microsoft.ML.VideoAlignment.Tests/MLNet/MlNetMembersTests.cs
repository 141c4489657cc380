using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

public class MlNetMembersTests
{
    [Test]
    public void TheReferencedVersionHasEveryMember() => Assert.That(MlNetMembers.FindMissing(MlNetMembers.Used), Is.Null);

    [TestCase("Microsoft.ML.ModelSaveContext, Microsoft.ML.Core: SaveBinaryStreams")]
    [TestCase("Microsoft.ML.ModelSaveContexts, Microsoft.ML.Core: SaveBinaryStream")]
    [TestCase("Microsoft.ML.SignatureLoadModels, Microsoft.ML.Core: ")]
    public void AMissingMemberIsNamedWithBothVersions(string member)
    {
        Assert.That(MlNetMembers.FindMissing([.. MlNetMembers.Used, member]), Is.EqualTo(member));
        Assert.That(MlNetMembers.Fault(member).Message,
            Does.Contain(member).And.Contain($"expected Microsoft.ML {MlNetMembers.RequiredVersion}").And.Match(@"Microsoft\.ML \d+\.\d+.* is loaded"));
    }

    [Test]
    public void EveryAccessorOfAnotherAssemblyIsListed()
    {
        string source = Repository.Read("src/Microsoft.ML.VideoAlignment/MLNet/MlNetInterop.cs");
        IEnumerable<string> names = System.Text.RegularExpressions.Regex.Matches(source, "(?:Name = |Field\\(\\w+, |GetMethod\\()\"(?<name>\\w+)\"")
            .Select(match => match.Groups["name"].Value);
        Assert.That(names.Except(MlNetMembers.Used.Select(member => member.Split(": ")[1])), Is.Empty);
        Assert.That(names.Count(), Is.GreaterThan(8));
    }

    [Test]
    public void TheRequiredVersionIsTheReferencedOne() =>
        Assert.That(Repository.Read("build/Directory.Packages.props"), Does.Contain($"Include=\"Microsoft.ML\" Version=\"{MlNetMembers.RequiredVersion}\""));
}
