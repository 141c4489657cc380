using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

public class DiffusersFolderTests
{
    [TestCase("diffusion_pytorch_model.safetensors", null)]
    [TestCase("diffusion_pytorch_model.bin", null)]
    [TestCase("model.safetensors", null)]
    [TestCase("pytorch_model.bin", null)]
    [TestCase("diffusion_pytorch_model.fp16.safetensors", "fp16")]
    [TestCase("pytorch_model.fp16.bin", "fp16")]
    [TestCase("model.fp16.safetensors", "fp16")]
    [TestCase("diffusion_pytorch_model.safetensors.index.json", null)]
    [TestCase("pytorch_model.bin.index.json", null)]
    [TestCase("model.safetensors.index.fp16.json", "fp16")]
    public void FindsTheWeights(string name, string? variant)
    {
        using var folder = new TemporaryFolder();
        folder.Write("unet/config.json", "{}"u8);
        string path = folder.Write($"unet/{name}", "x"u8);
        Assert.That(new DiffusersFolder(folder.ToString()).OpenComponent("unet").FindWeights(variant), Is.EqualTo(path));
    }

    [TestCase("model.SAFETENSORS", null)]
    [TestCase("Diffusion_Pytorch_Model.fp16.SafeTensors", "fp16")]
    [TestCase("PYTORCH_MODEL.BIN", null)]
    public void CapitalLettersMakeNoDifference(string name, string? variant)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write(name, "x"u8);
        Assert.That(new DiffusersFolder(folder.ToString()).FindWeights(variant), Is.EqualTo(path));
    }

    [Test]
    public void SafetensorsComeFirst()
    {
        using var folder = new TemporaryFolder();
        folder.Write("diffusion_pytorch_model.bin", "x"u8);
        string path = folder.Write("diffusion_pytorch_model.safetensors", "x"u8);
        Assert.That(new DiffusersFolder(folder.ToString()).FindWeights(), Is.EqualTo(path));
    }

    [Test]
    public void AVariantIsNeitherGuessedNorDropped()
    {
        using var folder = new TemporaryFolder();
        folder.Write("model.fp16.safetensors", "x"u8);
        var files = new DiffusersFolder(folder.ToString());
        Assert.That(() => files.FindWeights(),
            Throws.TypeOf<WeightFileException>().With.Message.Contain("model.fp16.safetensors").And.Message.Contain("pass it"));
        Assert.That(() => files.FindWeights("bf16"), Throws.TypeOf<WeightFileException>().With.Message.Contain("diffusion_pytorch_model.bf16.safetensors"));
    }

    [Test]
    public void WhatIsMissingIsNamedWithWhatIsThere()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vae/diffusion_pytorch_model.bin", "x"u8);
        folder.Write("vae/broken.json", "{"u8);
        var files = new DiffusersFolder(folder.ToString());
        Assert.That(files.HasComponent("vae"), Is.True);
        Assert.That(files.HasComponent("unet"), Is.False);
        Assert.That(() => files.OpenComponent("unet"), Throws.TypeOf<WeightFileException>().With.Message.Contain("no folder 'unet'. There are: vae"));
        Assert.That(() => files.OpenComponent("vae").ReadConfig(),
            Throws.TypeOf<WeightFileException>().With.Message.Contain("no config.json").And.Message.Contain("diffusion_pytorch_model.bin"));
        Assert.That(() => files.OpenComponent("vae").ReadConfig("broken.json"), Throws.TypeOf<WeightFileException>().With.Message.Contain("not valid JSON"));
        Assert.That(() => new DiffusersFolder(folder.Path("other")), Throws.TypeOf<WeightFileException>().With.Message.Contain("no such folder"));
        Assert.That(() => new DiffusersFolder(folder.Path("vae/broken.json")), Throws.TypeOf<WeightFileException>().With.Message.Contain("is a file"));
    }
}
