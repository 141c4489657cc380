using System.Reflection;
using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>The list of families, and what a further one needs.</summary>
[NonParallelizable]
public class ModelCatalogTests
{
    private const string Toy = "Toy";

    private static ModelDefinition Definition => new()
    {
        Traits = TinyVideoModel.Traits with { Family = Toy },
        Layout = "a folder with toy.txt",
        Recognizes = static listing => listing.Has("toy.txt"),
        Check = static (_, _) => { },
        Load = static (path, _, _) => Parts(path),
        Untrained = static request => Parts(request.Source),
    };

    [Test]
    public void EveryFamilyOfTheLibraryHasItsNameInPublic()
    {
        IEnumerable<object?> names = typeof(VideoModelFamily).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => field.GetRawConstantValue());
        Assert.That(names, Is.EquivalentTo(ModelCatalog.All.Select(family => family.Name)));
    }

    [Test]
    public void ARegisteredFamilyIsOpenedAndMadeAsOursAre()
    {
        using var folder = new TemporaryFolder();
        folder.Write("toy.txt", []);
        using (ModelCatalog.Register(Definition))
        {
            using VideoDiffusionModel opened = VideoDiffusionModel.FromPretrained($"{folder}");
            using VideoDiffusionModel made = VideoDiffusionModel.Untrained(Toy);
            using (Assert.EnterMultipleScope())
            {
                Assert.That((opened.Family, opened.Source), Is.EqualTo((Toy, $"{folder}")));
                Assert.That((made.Family, made.Source), Is.EqualTo((Toy, "untrained Toy, Tiny, seed 1")));
                Assert.That(() => ModelCatalog.Register(Definition), Throws.ArgumentException.With.Message.Contains("'Toy'"));
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => VideoDiffusionModel.FromPretrained($"{folder}"),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains("ModelScope: ").And.Message.Not.Contains($"{Toy}: "));
            Assert.That(() => VideoDiffusionModel.Untrained(Toy), Throws.ArgumentException.With.Message.Contains("ModelScope"));
        }
    }

    private static ModelParts Parts(string source) => new TinyVideoModel(source).Model.Parts with { Traits = Definition.Traits };
}
