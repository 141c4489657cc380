using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a run costs is counted where matrices are multiplied: so they are multiplied in few places. Read from the sources.</summary>
public partial class OpsTests
{
    /// <summary>The counted place; a kernel that counts for itself; and images brought to another size, which is not counted.</summary>
    private static readonly string[] s_places = ["Tensors/Ops.cs", "Tensors/Kernels/Cpu/GegluKernel.cs", "Video/Resize.cs", "Video/BlurredResize.cs"];

    [GeneratedRegex(@"\b(functional\s*\.\s*b?i?linear|matmul|mm_?|bmm|mv|addmm_?|addmv_?|addbmm_?|baddbmm_?|einsum|tensordot|dot|inner|"
        + @"chain_matmul|multi_dot|conv\dd|conv_transpose\dd|scaled_dot_product_attention)\s*\("
        + @"|\bnn\s*\.\s*(Bil|L)inear\s*\(|\bnn\s*\.\s*Conv\w*\s*\(|\bMultiheadAttention\b")]
    private static partial Regex Product();

    [Test]
    public void MatricesAreMultipliedWhereItIsCounted()
    {
        const string Library = "src/Microsoft.ML.VideoAlignment/";
        string[] files = [.. Repository.Files(Library, "*.cs").Where(path => Product().IsMatch(CSharpTokens.Code(Repository.Read(path))))
            .Select(path => path[Library.Length..])];
        Assert.That(files, Is.EquivalentTo(s_places), "multiply through Ops, or the operations of benchmarks are too few");
    }

    [TestCase("a.matmul(b)", true)]
    [TestCase("h.addmm_(a, b, 0, 1)", true)]
    [TestCase("nn.functional.linear(x, w)", true)]
    [TestCase("nn.functional.conv2d (x, w)", true)]
    [TestCase("var layer = nn.Linear(2, 3);", true)]
    [TestCase("nn.functional.scaled_dot_product_attention(q, k, v)", true)]
    [TestCase("// a.matmul(b)", false)]
    [TestCase("Ops.Linear(x, w)", false)]
    [TestCase("new Linear(2, 3, placement)", false)]
    [TestCase("Comm(x)", false)]
    public void AProductIsReadFromCode(string line, bool found) => Assert.That(Product().IsMatch(CSharpTokens.Code(line)), Is.EqualTo(found));
}
