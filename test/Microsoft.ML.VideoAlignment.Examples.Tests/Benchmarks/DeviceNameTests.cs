using Microsoft.ML.VideoAlignment.Benchmarks;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The one option that says where benchmarks compute.</summary>
public class DeviceNameTests
{
    [TestCase("cpu", null)]
    [TestCase("cuda", 0)]
    [TestCase("cuda:3", 3)]
    public void ANameIsRead(string name, int? index) => Assert.That(DeviceName.Parse(name), Is.EqualTo(index));

    [TestCase("")]
    [TestCase("gpu")]
    [TestCase("cpu:0")]
    [TestCase("cuda:")]
    [TestCase("cuda:-1")]
    [TestCase("cuda:1:2")]
    public void AnotherNameIsRefused(string name) =>
        Assert.That(() => DeviceName.Parse(name), Throws.ArgumentException.With.Message.Contains($"cuda:N, got '{name}'"));

    [Test]
    public void TheOptionIsTakenOutOfTheCommandLine()
    {
        string[] arguments = ["--compare", "--device", "cuda:1", "5"];
        Assert.That(DeviceName.Take(ref arguments), Is.EqualTo("cuda:1"));
        Assert.That(arguments, Is.EqualTo(new[] { "--compare", "5" }));
        Assert.That(DeviceName.Take(ref arguments), Is.Null);
        Assert.That(arguments, Is.EqualTo(new[] { "--compare", "5" }));
        arguments = ["--device"];
        Assert.That(() => DeviceName.Take(ref arguments), Throws.ArgumentException);
    }
}
