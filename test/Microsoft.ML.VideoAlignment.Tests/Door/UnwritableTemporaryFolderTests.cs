namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Where nothing can be written, everything that writes no file of its own goes on as ever.</summary>
[NonParallelizable]
public class UnwritableTemporaryFolderTests
{
    private static readonly string[] s_variables = ["TMPDIR", "TMP", "TEMP"];

    private readonly Dictionary<string, string?> _before = [];
    private TemporaryFolder _folder = null!;
    private string _nowhere = "";

    [SetUp]
    public void TakeTheFolderAway()
    {
        _folder = new TemporaryFolder();
        _nowhere = Path.Combine(_folder.Write("file", []), "folder");
        foreach (string name in s_variables)
        {
            _before[name] = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(name, _nowhere);
        }
    }

    [TearDown]
    public void GiveItBack()
    {
        foreach (string name in s_variables)
        {
            Environment.SetEnvironmentVariable(name, _before[name]);
        }

        _folder.Dispose();
    }

    [Test]
    public void FitPredictionAndSavingAreTheSame()
    {
        (byte[] Weights, float[][] Videos, float[][] Half, float[][] Loaded) there = Everything(_folder.Path("temporary")), nowhere = Everything(_nowhere);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(nowhere.Weights, Is.EqualTo(there.Weights));
            Assert.That(nowhere.Videos, Is.EqualTo(there.Videos));
            Assert.That(nowhere.Half, Is.EqualTo(there.Half).And.Not.EqualTo(there.Videos));
            Assert.That(nowhere.Loaded, Is.EqualTo(there.Videos));
        }
    }

    [Test]
    public void LoraFilesAreHeardTheSame()
    {
        string lora = _folder.Path("lora.safetensors");
        var rig = new DoorRig();
        rig.Context.TempFilePath = _nowhere;
        VideoAlignmentTransformer trained = rig.Estimator().Fit(rig.Prompts);
        trained.SaveAdapters(lora);
        VideoAlignmentTransformer heard =
            rig.Context.Transforms.GenerateVideo("Video", "Prompt", rig.Model, DoorRig.ThreeSteps.Sampling, [new VideoLora(lora)]).Fit(rig.Prompts);
        Assert.That(EstimatorContract.Values(heard.Transform(rig.Prompts)), Is.EqualTo(EstimatorContract.Values(trained.Transform(rig.Prompts))));
        new VideoLora(lora) { Strength = 0.5 }.Convert(rig.Model, _folder.Path("half.safetensors"), LoraFormat.Kohya);
        Assert.That(File.Exists(_folder.Path("half.safetensors")));
    }

    private (byte[] Weights, float[][] Videos, float[][] Half, float[][] Loaded) Everything(string temporary)
    {
        var rig = new DoorRig();
        rig.Context.TempFilePath = temporary;
        VideoAlignmentTransformer fitted = rig.Estimator().Fit(rig.Prompts);
        string path = _folder.Path($"{Guid.NewGuid():N}.safetensors"), zip = _folder.Path($"{Guid.NewGuid():N}.zip");
        fitted.SaveAdapters(path);

        // ML.NET's own writer and reader of zips make a folder in the temporary folder, whatever the zip holds.
        rig.Context.TempFilePath = _folder.ToString();
        rig.Context.Model.Save(fitted, rig.Prompts.Schema, zip);
        MLContext other = rig.Loading(_ => rig.Model);
        other.TempFilePath = _folder.ToString();
        ITransformer loaded = other.Model.Load(zip, out _);
        other.TempFilePath = temporary;
        return (File.ReadAllBytes(path), Videos(fitted), Videos(fitted.WithStrength("Video", 0.5)), Videos(loaded));

        float[][] Videos(ITransformer transformer) => EstimatorContract.Values(transformer.Transform(rig.Prompts));
    }
}
